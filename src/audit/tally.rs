//! Tokens that are signed, and counted when their event lets them be given out.

use std::sync::Arc;

use livekit_keyd_core::time::Time;

use crate::metrics::{CallerMetrics, KeyHandles, Outcome};

/// The tokens of one request.
pub(super) struct Tally {
    caller: Arc<CallerMetrics>,
    usage: Arc<KeyHandles>,
    at: Time,
    tokens: u64,
}

impl Tally {
    /// None yet.
    pub(super) fn new(caller: &Arc<CallerMetrics>, usage: &Arc<KeyHandles>, at: Time) -> Tally {
        Tally { caller: Arc::clone(caller), usage: Arc::clone(usage), at, tokens: 0 }
    }

    /// One more was signed.
    pub(super) fn add_one(&mut self) {
        self.tokens += 1;
    }

    /// Counts them as given out.
    pub(super) fn given_out(self) {
        self.usage.saw(self.tokens, self.at);
        self.caller.issued(self.tokens);
    }

    /// Counts them as requests that got nothing.
    pub(super) fn withheld(self) {
        self.caller.saw_many(Outcome::Unavailable, self.tokens);
    }
}
