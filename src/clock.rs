//! The two clocks that the daemon reads: one that people agree on, and one that nobody sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livekit_keyd_core::time::Time;
use rustix::time::{ClockId, clock_gettime};

/// The wall clock, which may be set at any moment.
pub fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A moment on the boot-time clock: it runs on while the machine sleeps, and nobody can set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(u64);

impl BootTime {
    /// Now.
    pub fn now() -> BootTime {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        BootTime(seconds * 1000 + nanos / 1_000_000)
    }

    /// From milliseconds since boot.
    pub fn from_millis(millis: u64) -> BootTime {
        BootTime(millis)
    }

    /// Milliseconds since boot.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// How long ago this was.
    pub fn elapsed(self) -> Duration {
        Duration::from_millis(BootTime::now().0.saturating_sub(self.0))
    }
}
