//! What is known of something outside, and how well.

use crate::time::Time;

/// The outcome of looking at something outside. Only what is fresh is acted on.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed<T> {
    /// Seen just now.
    Fresh(T),
    /// Seen before; the last look failed.
    Stale {
        /// What was seen.
        value: T,
        /// When it was last fresh.
        since: Time,
        /// Why the last look failed: a sentence.
        why: String,
    },
    /// Never seen.
    Unknown {
        /// Since when one has been looking.
        since: Time,
        /// Why: a sentence.
        why: String,
    },
}

impl<T> Observed<T> {
    /// The value, if it was seen just now.
    pub fn fresh(&self) -> Option<&T> {
        match self {
            Observed::Fresh(value) => Some(value),
            _ => None,
        }
    }

    /// The last value seen, however old.
    pub fn last(&self) -> Option<&T> {
        match self {
            Observed::Fresh(value) | Observed::Stale { value, .. } => Some(value),
            Observed::Unknown { .. } => None,
        }
    }
}
