//! How the trail stands, for who must not wait for its writer.

use std::sync::{Arc, Mutex, PoisonError};

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
    trouble: Mutex<Option<String>>,
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
        let failing = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TrailStatus { seq: head.seq, head: head.hash.to_string(), failing }
    }

    /// The writer is back from its sink.
    pub(super) fn committed(&self, result: Result<(), String>, count: u64, chain: Chain) {
        match result {
            Ok(()) => {
                self.metrics.written.inc_by(count);
                *self.head.lock().unwrap_or_else(PoisonError::into_inner) = chain;
                let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                if trouble.take().is_some() {
                    self.conditions.replace("audit", Vec::new());
                }
            }
            Err(sentence) => {
                self.metrics.failed.inc_by(count);
                self.trouble(&sentence);
            }
        }
    }

    /// Something is wrong, until events are written again.
    pub(super) fn trouble(&self, sentence: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_deref() == Some(sentence) {
            return;
        }
        *trouble = Some(sentence.to_owned());
        let finding = Finding {
            keyset: None,
            kind: "AuditFailing",
            degraded: true,
            reason: "sink".to_owned(),
            message: sentence.to_owned(),
        };
        self.conditions.replace("audit", vec![finding]);
    }
}
