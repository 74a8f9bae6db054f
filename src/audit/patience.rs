//! No request waits for the sink longer than the limit, whatever the sink does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::standing::Wrong;
use super::trail::Trail;

/// How many looks fit into the time that a request may wait.
const LOOKS: u32 = 8;

const HANGS: &str =
    "the audit trail's sink hangs: nothing was written for longer than the timeout of [audit]";

impl Trail {
    /// One look now and then in place of a timer for each request. It runs on threads that never write.
    pub(super) async fn let_nobody_wait_for_long(self: Arc<Self>) {
        let between = self.timeout / LOOKS;
        loop {
            self.watch.notified().await;
            loop {
                tokio::time::sleep(between).await;
                if let Some(writing) = self.writing.get()
                    && self.queue.writing_for().is_some_and(|time| time >= between)
                {
                    // One of these threads hangs in its write, and perhaps nobody looks after their connections now:
                    // to be given something to do wakes another.
                    writing.spawn(std::future::ready(()));
                }
                if let Some(count) = self.queue.give_up(self.timeout - between) {
                    self.standing.metrics.late.inc_by(count);
                    self.standing.trouble(Wrong::Late, HANGS);
                }
                if self.queue.is_idle() {
                    break;
                }
            }
            self.watched.store(false, Ordering::Release);
            if self.queue.is_idle() {
                self.standing.caught_up();
            } else {
                // Somebody has come in between.
                self.watched.store(true, Ordering::Release);
                self.watch.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use prometheus::Registry;

    use super::*;
    use crate::audit::{Fsync, OnFailure, Settings, Target};

    #[tokio::test]
    async fn a_sink_that_came_back_as_it_was_called_late_is_not_late_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Target::File { path: folder.path().join("audit.jsonl"), max_size: None };
        let settings = Settings { target, fsync: Fsync::Never };
        let timeout = Duration::from_millis(80);
        let started =
            Trail::start(settings, OnFailure::Refuse, 10, timeout, &Registry::new(), Arc::default());
        let trail = started.expect("a trail");
        let until = async |reached: &dyn Fn() -> bool| {
            let began = Instant::now();
            while !reached() {
                assert!(began.elapsed() < Duration::from_secs(20), "never");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        until(&|| trail.status().seq > 0).await;
        trail.standing.trouble(Wrong::Late, HANGS);
        trail.watched.store(true, Ordering::Release);
        trail.watch.notify_one();
        until(&|| trail.status().failing.is_none()).await;
    }
}
