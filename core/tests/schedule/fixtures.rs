//! Schedules from text, and their firings as text.

use livekit_keyd_core::schedule::{Schedule, ScheduleError};
use livekit_keyd_core::time::Time;

pub(crate) fn cron(expression: &str, timezone: &str) -> Schedule {
    Schedule::cron(expression, timezone).expect(expression)
}

pub(crate) fn time(text: &str) -> Time {
    text.parse().expect(text)
}

/// The first `count` firings after `after`, as RFC 3339 in UTC.
pub(crate) fn firings(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let first = schedule.next_after(Time::MIN, time(after));
    std::iter::successors(first, |last| schedule.next_after(Time::MIN, *last))
        .take(count)
        .map(|firing| firing.to_string())
        .collect()
}

pub(crate) fn refused(expression: &str) -> ScheduleError {
    Schedule::cron(expression, "UTC").expect_err(expression)
}
