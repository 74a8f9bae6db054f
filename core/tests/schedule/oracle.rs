//! Generated schedules against another implementation, in every time zone.

use std::time::Duration;

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::JobType;
use croner::parser::CronParser;
use livekit_keyd_core::schedule::{Schedule, ScheduleError};
use livekit_keyd_core::time::Time;

use super::fixtures::{cron, time};
use super::generator::Generator;

fn offset(zone: Tz, instant: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()
}

/// Whether the zone's clock changes within a day of the instant.
fn near_a_change(zone: Tz, instant: DateTime<Utc>) -> bool {
    let day = TimeDelta::days(1);
    offset(zone, instant - day) != offset(zone, instant + day)
}

/// `croner` takes a starred day field as unrestricted only when it is `*` alone, so it is told to join by *and*
/// where ours does. It lets what fires more than once a day fire in both passes of a repeated hour and not at all
/// for a time left out, so those firings are compared outside of a day around changes of clock; firings at one
/// time of the day follow the same rule and are compared everywhere, unless the time left out lies in no day that
/// fires (croner drops it there).
#[test]
fn two_thousand_generated_schedules_agree_with_croner() {
    let mut generator = Generator(20_270_101);
    let start = time("2026-01-01T00:00:00Z").as_secs() as u64;
    let end = time("2090-01-01T00:00:00Z").as_secs() as u64;
    let (mut schedules, mut compared, mut passed_over, mut at_changes) = (0, 0, 0, 0);
    while schedules < 2000 {
        let expression = generator.expression();
        let zone = generator.pick(&TZ_VARIANTS);
        let fields: Vec<&str> = expression.split(' ').collect();
        let oracle = CronParser::builder()
            .dom_and_dow(fields[2].starts_with('*') || fields[4].starts_with('*'))
            .build()
            .parse(&expression)
            .expect(&expression);
        let schedule = Schedule::cron(&expression, zone.name());
        if let Err(ScheduleError::NeverFires { .. }) = schedule {
            let never = oracle.find_next_occurrence(&DateTime::UNIX_EPOCH, false);
            assert!(never.is_err(), "{expression} fires: {never:?}");
            continue;
        }
        let schedule = schedule.expect(&expression);
        schedules += 1;
        let mut after = Time::from_millis(generator.between(start, end) as i64 * 1000);
        let once_a_day = oracle.determine_job_type() == JobType::FixedTime;
        if once_a_day {
            // Up to the eve of a change of clock, where the zone has any.
            let mut days = (0..400).map(|days| after + Duration::from_secs(days * 86_400));
            after = days.find(|day| near_a_change(zone, day.to_utc())).unwrap_or(after);
        }
        for _ in 0..8 {
            let theirs =
                oracle.find_next_occurrence(&after.to_utc().with_timezone(&zone), false).expect("a firing");
            let Some(ours) = schedule.next_after(Time::MIN, after) else {
                assert!(theirs.to_utc() > time("2100-12-30T00:00:00Z").to_utc(), "{expression}: {theirs}");
                break;
            };
            let changes = [after.to_utc(), ours.to_utc(), theirs.to_utc()]
                .map(|t| near_a_change(zone, t))
                .contains(&true);
            if changes && !once_a_day {
                passed_over += 1;
            } else {
                assert_eq!(ours, theirs.to_utc().into(), "`{expression}` in {zone} after {after}");
                compared += 1;
                at_changes += usize::from(changes);
            }
            after = ours;
        }
    }
    assert!(
        compared > 15_000 && at_changes > 100,
        "{compared} compared, {at_changes} at changes, {passed_over} not"
    );
}

#[test]
fn ten_years_of_every_time_zone_fire_once_a_day() {
    let (from, to) = (time("2026-06-15T00:00:00Z"), time("2036-06-15T00:00:00Z"));
    let days = to.since(from).as_secs() / 86_400;
    for (index, zone) in TZ_VARIANTS.iter().enumerate() {
        let schedule = cron(&format!("{} {} * * *", index % 60, index % 4), zone.name());
        let closest = schedule.closest().expect("a distance");
        let (mut count, mut last) = (0, from);
        while let Some(firing) = schedule.next_after(Time::MIN, last).filter(|firing| *firing <= to) {
            assert!(firing > last, "{zone}: {firing} after {last}");
            assert!(count == 0 || firing.since(last) >= closest, "{zone}: {last} and {firing}");
            // Troll's clock is put back by two hours, all others by one or less.
            assert!(firing.since(last) <= Duration::from_secs(26 * 3600), "{zone}: {last} and {firing}");
            (count, last) = (count + 1, firing);
        }
        assert_eq!(count, days, "{zone}");
    }
}
