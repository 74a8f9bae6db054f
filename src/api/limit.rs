//! How many tokens a caller may ask for: a token bucket that it holds itself, so that callers share no map and no lock.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota};

/// What a rate counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

impl Per {
    /// All of them.
    pub const ALL: [Per; 3] = [Per::Second, Per::Minute, Per::Hour];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Per::Second => "s",
            Per::Minute => "m",
            Per::Hour => "h",
        }
    }

    fn lasts(self) -> Duration {
        Duration::from_secs(match self {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3600,
        })
    }
}

/// How many tokens may be asked for in a time, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run so many
    pub count: NonZeroU32,
    /// in so long.
    pub per: Per,
    /// So many at once, after a while without.
    pub burst: NonZeroU32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate = \"{}/{}\", burst = {}", self.count, self.per.as_str(), self.burst)
    }
}

/// One caller's bucket.
pub struct Limit {
    rate: Rate,
    bucket: DefaultDirectRateLimiter,
}

/// Too many were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    rate: Rate,
    wait: Duration,
}

impl TooMany {
    /// When the next may be asked for, in whole seconds from now: at least one.
    pub fn retry_after(&self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0 || self.wait.is_zero())
    }
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.retry_after();
        write!(
            f,
            "more tokens were asked for than this caller's limit allows ({}): ask again in {seconds} s, or for fewer",
            self.rate
        )
    }
}

impl Limit {
    /// A full bucket.
    pub fn new(rate: Rate) -> Limit {
        // More than a billion a second is as many as there are nanoseconds.
        let interval = (rate.per.lasts() / rate.count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_second(rate.count));
        Limit { rate, bucket: DefaultDirectRateLimiter::direct(quota.allow_burst(rate.burst)) }
    }

    /// What it allows.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none, and when there will be.
    pub fn take(&self) -> Result<(), TooMany> {
        self.bucket.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(self.bucket.clock().now());
            TooMany { rate: self.rate, wait }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32, per: Per, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        Rate { count: number(count), per, burst: number(burst) }
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let limit = Limit::new(rate(2, Per::Hour, 3));
        for _ in 0..3 {
            limit.take().expect("the bucket was full");
        }
        let refused = limit.take().expect_err("it is empty");
        assert!((1799..=1800).contains(&refused.retry_after()), "{refused:?}");
        assert!(refused.to_string().contains("rate = \"2/h\", burst = 3"), "{refused}");
    }

    #[test]
    fn any_rate_makes_a_bucket() {
        for count in [1, 7, 1_000_000_000, u32::MAX] {
            Limit::new(rate(count, Per::Second, 1)).take().expect("one at least");
        }
    }

    #[test]
    fn nobody_is_told_to_come_back_at_once() {
        let wait = |wait| TooMany { rate: rate(1, Per::Second, 1), wait }.retry_after();
        assert_eq!(wait(Duration::ZERO), 1);
        assert_eq!(wait(Duration::from_millis(1)), 1);
        assert_eq!(wait(Duration::from_secs(2)), 2);
        assert_eq!(wait(Duration::from_millis(2001)), 3);
    }
}
