//! How long processes wait, so that ten thousand of them do not act in the same second.
//!
//! The randomness is a parameter: the daemon draws it from the operating system,
//! and the simulation of a large deployment from a seed.

use std::time::Duration;

/// The part of a duration by which [`jitter`] may shorten or lengthen it.
const SPREAD: f64 = 0.2;
/// The first limit of a pause after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// The last one of calls that others go on without: ten thousand that all fail ask some 660 times a second.
const LONGEST: Duration = Duration::from_secs(30);
/// The last one of a signer that cannot sign.
const LONGEST_WITHOUT_DOCUMENT: Duration = Duration::from_secs(10);
/// Doublings after which the last limit is surely reached.
const MOST_DOUBLINGS: u32 = 8;

/// A duration within a fifth of this one, for a fraction of at least 0 and less than 1.
pub fn jitter(duration: Duration, fraction: f64) -> Duration {
    duration.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * fraction)
}

/// Pauses between tries: up to a limit that doubles, from one second to half a minute.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    failures: u32,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { failures: 0, longest: LONGEST }
    }
}

impl Backoff {
    /// The pause after one more failure, for a fraction of at least 0 and less than 1.
    pub fn next(&mut self, fraction: f64) -> Duration {
        let limit = FIRST.saturating_mul(1 << self.failures.min(MOST_DOUBLINGS)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        // Never nothing: a refused connection fails at once.
        FIRST / 4 + limit.mul_f64(fraction)
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// When a signer reads its document next.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    backoff: Backoff,
}

impl Default for Refresh {
    fn default() -> Refresh {
        Refresh { backoff: Backoff { failures: 0, longest: LONGEST_WITHOUT_DOCUMENT } }
    }
}

impl Refresh {
    /// The pause before the next read. One who has a document goes on with it, and has time; one who has none can sign
    /// nothing, and tries sooner.
    pub fn next(&mut self, interval: Duration, has_document: bool, fraction: f64) -> Duration {
        let pause = jitter(interval, fraction);
        if has_document {
            self.backoff.reset();
            return pause;
        }
        pause.min(self.backoff.next(fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALMOST: f64 = 0.999_999;

    #[test]
    fn a_jitter_stays_within_a_fifth() {
        let minute = Duration::from_secs(60);
        assert_eq!(jitter(minute, 0.0), Duration::from_secs(48));
        assert!(jitter(minute, ALMOST) > Duration::from_millis(71_990));
        assert!(jitter(minute, ALMOST) < Duration::from_secs(72));
    }

    #[test]
    fn pauses_grow_to_half_a_minute_and_start_over() {
        let mut backoff = Backoff::default();
        let whole = |pause: Duration| (pause + Duration::from_millis(1)).as_secs_f64().floor();
        let pauses: Vec<_> = (0..7).map(|_| whole(backoff.next(ALMOST) - FIRST / 4)).collect();
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(backoff.next(0.0), FIRST / 4);
        backoff.reset();
        assert_eq!(whole(backoff.next(ALMOST) - FIRST / 4), 1.0);
    }

    #[test]
    fn a_signer_without_a_document_tries_sooner() {
        let interval = Duration::from_secs(30);
        let mut refresh = Refresh::default();
        assert_eq!(refresh.next(interval, false, 0.5), Duration::from_millis(750));
        let later: Vec<_> = (0..9).map(|_| refresh.next(interval, false, ALMOST)).collect();
        assert!(later.iter().all(|pause| *pause < Duration::from_millis(10_250)), "{later:?}");
        assert_eq!(refresh.next(interval, true, 0.5), interval);
        assert_eq!(refresh.next(interval, false, 0.5), Duration::from_millis(750));
    }
}
