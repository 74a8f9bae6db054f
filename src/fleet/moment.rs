//! When something was seen at a node, by both clocks.

use std::time::Duration;

use livekit_keyd_core::time::Time;

use crate::clock::{self, BootTime};

/// A moment by the clock that people agree on and by the one that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    wall: Time,
    boot: BootTime,
}

impl Moment {
    pub(super) fn now() -> Moment {
        Moment { wall: clock::now(), boot: BootTime::now() }
    }

    /// How long before `now` it was, whatever became of the wall clock since.
    pub(super) fn age(self, now: Moment) -> Duration {
        Duration::from_millis(now.boot.as_millis().saturating_sub(self.boot.as_millis()))
    }

    /// As the wall clock tells it by now. A wall clock that was set makes a moment look older than it is, never
    /// younger: an answer must not become fresh again.
    pub(super) fn told(self, now: Moment) -> Time {
        self.wall.min(now.wall - self.age(now))
    }

    /// By the wall clock, as it was.
    pub(super) fn wall(self) -> Time {
        self.wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: i64, boot: u64) -> Moment {
        Moment { wall: Time::from_millis(wall), boot: BootTime::from_millis(boot) }
    }

    #[test]
    fn a_clock_that_was_set_makes_nothing_younger() {
        let asked = moment(100_000, 5000);
        assert_eq!(asked.told(moment(103_000, 8000)), Time::from_millis(100_000));
        // Set back by a minute: 3 s old, not from the future.
        assert_eq!(asked.told(moment(43_000, 8000)), Time::from_millis(40_000));
        // Set forward by a minute: older than it is.
        assert_eq!(asked.told(moment(163_000, 8000)), Time::from_millis(100_000));
    }
}
