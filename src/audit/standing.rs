//! How the trail stands, for who must not wait for its writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use livekit_keyd_core::audit::Chain;
use prometheus::Registry;

use super::metrics::AuditMetrics;
use crate::conditions::{Conditions, Finding};

/// Where the trail is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct TrailStatus {
    /// The number of the last line.
    pub seq: u64,
    /// Its hash: `livekit-keyd audit verify --head` takes it.
    pub head: String,
    /// Why events cannot be written now, if they cannot.
    pub failing: Option<String>,
}

/// The last line, what is wrong, and what was counted.
pub(super) struct Standing {
    pub(super) metrics: AuditMetrics,
    conditions: Arc<Conditions>,
    head: Mutex<Chain>,
    trouble: Mutex<Option<Trouble>>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The sink gave an error: until events are written again.
    Sink,
    /// Events wait: until none does.
    Late,
}

struct Trouble {
    wrong: Wrong,
    sentence: String,
}

impl Standing {
    /// # Errors
    /// The metrics are registered already.
    pub(super) fn register(registry: &Registry, conditions: Arc<Conditions>) -> prometheus::Result<Standing> {
        let metrics = AuditMetrics::register(registry)?;
        Ok(Standing { metrics, conditions, head: Mutex::default(), trouble: Mutex::default() })
    }

    /// As it is told.
    pub(super) fn status(&self) -> TrailStatus {
        let head = *self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = self.known_trouble().as_ref().map(|trouble| trouble.sentence.clone());
        TrailStatus { seq: head.seq, head: head.hash.to_string(), failing }
    }

    /// The writer is back from its sink.
    pub(super) fn committed(&self, result: Result<(), String>, count: u64, chain: Chain) {
        match result {
            Ok(()) => {
                self.metrics.written.inc_by(count);
                *self.head.lock().unwrap_or_else(PoisonError::into_inner) = chain;
                self.is_over(|_| true);
            }
            Err(sentence) => {
                self.metrics.failed.inc_by(count);
                self.trouble(Wrong::Sink, &sentence);
            }
        }
    }

    /// Nothing waits. Somebody may have called the trail late in the moment in which it was written.
    pub(super) fn caught_up(&self) {
        self.is_over(|wrong| wrong == Wrong::Late);
    }

    fn is_over(&self, over: impl Fn(Wrong) -> bool) {
        let mut trouble = self.known_trouble();
        if trouble.take_if(|trouble| over(trouble.wrong)).is_some() {
            self.conditions.replace("audit", Vec::new());
        }
    }

    /// Something is wrong.
    pub(super) fn trouble(&self, wrong: Wrong, sentence: &str) {
        let mut trouble = self.known_trouble();
        let is_known = |known: &Trouble| {
            known.sentence == sentence || (known.wrong, wrong) == (Wrong::Sink, Wrong::Late)
        };
        if trouble.as_ref().is_some_and(is_known) {
            return;
        }
        *trouble = Some(Trouble { wrong, sentence: sentence.to_owned() });
        let finding = Finding {
            keyset: None,
            kind: "AuditFailing",
            degraded: true,
            reason: "sink".to_owned(),
            message: sentence.to_owned(),
        };
        self.conditions.replace("audit", vec![finding]);
    }

    fn known_trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_catches_up_is_not_late_any_more_and_an_error_stays_until_the_next_write() {
        let standing = Standing::register(&Registry::new(), Arc::default()).expect("metrics");
        standing.trouble(Wrong::Late, "it hangs");
        assert_eq!(standing.status().failing.as_deref(), Some("it hangs"));
        standing.caught_up();
        assert_eq!(standing.status().failing, None);
        standing.committed(Err("no room".to_owned()), 1, Chain::default());
        standing.trouble(Wrong::Late, "it hangs");
        standing.caught_up();
        assert_eq!(standing.status().failing.as_deref(), Some("no room"));
        standing.committed(Ok(()), 1, Chain::default());
        assert_eq!(standing.status().failing, None);
    }
}
