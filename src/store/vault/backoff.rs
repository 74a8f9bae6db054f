//! Pauses between tries: longer each time, never the same for two processes.

use std::time::Duration;

use crate::random;

/// Doubles from one second to five minutes, with full jitter.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

impl Backoff {
    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let limit = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Never nothing: a refused connection fails at once.
        FIRST / 4 + limit.mul_f64(random::fraction())
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_five_minutes_and_starts_over() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= Duration::from_millis(1250));
        let later: Vec<_> = (0..200).map(|_| backoff.next()).collect();
        assert!(later.iter().all(|pause| *pause <= LONGEST + FIRST));
        assert!(later.iter().any(|pause| *pause > LONGEST / 2));
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(1250));
    }
}
