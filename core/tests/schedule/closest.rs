//! How close firings come to each other.

use std::time::Duration;

use chrono_tz::TZ_VARIANTS;
use livekit_keyd_core::duration;
use livekit_keyd_core::schedule::Schedule;
use livekit_keyd_core::time::Time;

use super::fixtures::{cron, time};
use super::generator::Generator;

#[test]
fn the_closest_firings() {
    for (expression, timezone, closest) in [
        ("0 3 * * *", "UTC", "1d"),
        ("0 3 * * *", "Europe/Berlin", "23h"),
        // Sunday's firing moves from 02:30 to 03:00, and the Monday after it is as ever.
        ("30 2 * * *", "Europe/Berlin", "23h30m"),
        ("0 3 * * MON", "Europe/Berlin", "6d23h"),
        ("0 3 * * *", "Asia/Tokyo", "1d"),
        ("0 3 1 * *", "UTC", "28d"),
        ("0 3 29 2 *", "UTC", "1461d"),
        ("0 3 * * MON,THU", "UTC", "3d"),
        ("0 3 1 * MON", "UTC", "1d"),
        ("0 3 */2 * *", "UTC", "1d"),
        ("0 0,1 1 1 *", "UTC", "1h"),
        ("0 22,2 * * *", "UTC", "4h"),
        ("0 1,3 * * *", "Europe/Berlin", "1h"),
        ("50 1,2 * * *", "Europe/Berlin", "10m"),
        ("* * * * *", "Europe/Berlin", "1m"),
        ("15 2 * * *", "Australia/Lord_Howe", "23h45m"),
    ] {
        let found = cron(expression, timezone).closest().map(duration::format);
        assert_eq!(found.as_deref(), Some(closest), "{expression} in {timezone}");
    }
}

#[test]
fn no_firings_come_closer_than_the_closest() {
    let mut generator = Generator(7);
    let start = time("2026-01-01T00:00:00Z");
    for _ in 0..150 {
        let (expression, zone) = (generator.expression(), generator.pick(&TZ_VARIANTS));
        let Ok(schedule) = Schedule::cron(&expression, zone.name()) else { continue };
        let mut last = schedule.next_after(Time::MIN, start);
        let mut least = Duration::MAX;
        for _ in 0..300 {
            let Some(before) = last else { break };
            last = schedule.next_after(Time::MIN, before);
            least = last.map_or(least, |firing| least.min(firing.since(before)));
        }
        assert!(
            schedule.closest().is_none_or(|closest| closest <= least),
            "`{expression}` in {zone}: {least:?}"
        );
    }
}
