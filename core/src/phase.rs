//! What a key is at a moment: derived from the document and the clock, written nowhere.

use std::fmt;

use crate::document::Document;
use crate::key::Key;
use crate::time::Time;

/// A key's phase. That it is compromised stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Published ahead of need; nobody signs with it.
    Standby,
    /// Committed, and its time is ahead.
    Scheduled,
    /// What signers sign with.
    Active,
    /// Succeeded; its last tokens live on.
    Retiring,
    /// Taken out of what is published.
    Retired,
    /// Its secret is gone.
    Erased,
}

impl Phase {
    /// All of them, in the order of a key's life.
    pub const ALL: [Phase; 6] =
        [Phase::Standby, Phase::Scheduled, Phase::Active, Phase::Retiring, Phase::Retired, Phase::Erased];

    /// Of a key of this document at a moment.
    pub fn of(document: &Document, key: &Key, now: Time) -> Phase {
        if key.erased_at.is_some() {
            return Phase::Erased;
        }
        if key.unpublished_at.is_some() {
            return Phase::Retired;
        }
        let Some(commitment) = key.commitment() else {
            return Phase::Standby;
        };
        match document.active(now).and_then(Key::commitment) {
            Some(active) if active.ordinal == commitment.ordinal => Phase::Active,
            Some(active) if active.ordinal > commitment.ordinal => Phase::Retiring,
            _ if now < commitment.not_before => Phase::Scheduled,
            _ => Phase::Retiring,
        }
    }

    /// As in answers, metrics and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Standby => "standby",
            Phase::Scheduled => "scheduled",
            Phase::Active => "active",
            Phase::Retiring => "retiring",
            Phase::Retired => "retired",
            Phase::Erased => "erased",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
