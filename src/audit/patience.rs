//! No request waits for the sink longer than the limit, whatever the sink does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::trail::Trail;

/// How many looks fit into the time that a request may wait.
const LOOKS: u32 = 8;

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
                    self.standing.trouble("the audit trail's sink hangs: nothing was written for longer than the timeout of [audit]");
                }
                if self.queue.is_idle() {
                    break;
                }
            }
            self.watched.store(false, Ordering::Release);
            // Somebody may have come in between.
            if !self.queue.is_idle() {
                self.watched.store(true, Ordering::Release);
                self.watch.notify_one();
            }
        }
    }
}
