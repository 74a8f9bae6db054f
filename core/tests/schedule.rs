//! Firing schedules: a table of cases, the rule for changes of clock, and `croner` as an independent oracle.

use std::time::Duration;

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::JobType;
use croner::parser::CronParser;
use livekit_keyd_core::duration;
use livekit_keyd_core::schedule::{Schedule, ScheduleError};
use livekit_keyd_core::time::Time;

fn cron(expression: &str, timezone: &str) -> Schedule {
    Schedule::cron(expression, timezone).expect(expression)
}

fn time(text: &str) -> Time {
    text.parse().expect(text)
}

/// The first `count` firings after `after`, as RFC 3339 in UTC.
fn firings(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let first = schedule.next_after(Time::MIN, time(after));
    std::iter::successors(first, |last| schedule.next_after(Time::MIN, *last))
        .take(count)
        .map(|firing| firing.to_string())
        .collect()
}

fn refused(expression: &str) -> ScheduleError {
    Schedule::cron(expression, "UTC").expect_err(expression)
}

#[test]
fn standard_five_fields() {
    // 1 January 2027 is a Friday.
    for (expression, expected) in [
        ("0 3 * * *", ["2027-01-01T03:00:00Z", "2027-01-02T03:00:00Z"]),
        ("30 4 1,15 * *", ["2027-01-01T04:30:00Z", "2027-01-15T04:30:00Z"]),
        ("*/25 6 * * *", ["2027-01-01T06:00:00Z", "2027-01-01T06:25:00Z"]),
        ("0 0 * * 0", ["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
        ("0 0 * * 7", ["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
        ("0 0 * * Sun", ["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
        ("0 0 * * 1", ["2027-01-04T00:00:00Z", "2027-01-11T00:00:00Z"]),
        ("0 0 * * 6-7", ["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"]),
        ("0 0 * * fri-sun", ["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"]),
        ("0 0 * * */3", ["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"]),
        ("0 0 1 feb,DEC *", ["2027-02-01T00:00:00Z", "2027-12-01T00:00:00Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 31 * *", ["2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z"]),
        // Both day fields restricted: either is enough.
        ("0 3 2 * MON", ["2027-01-02T03:00:00Z", "2027-01-04T03:00:00Z"]),
        ("0 0 30 2 MON", ["2027-02-01T00:00:00Z", "2027-02-08T00:00:00Z"]),
        ("0 0 1-31 * MON", ["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"]),
        // A day field that starts with `*` is not restricted: both must fit.
        ("0 3 */2 * MON", ["2027-01-11T03:00:00Z", "2027-01-25T03:00:00Z"]),
        ("0 3 13 * */5", ["2027-06-13T03:00:00Z", "2027-08-13T03:00:00Z"]),
        ("  0\t3 * *   MON ", ["2027-01-04T03:00:00Z", "2027-01-11T03:00:00Z"]),
        ("@weekly", ["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
        ("@Monthly", ["2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z"]),
    ] {
        assert_eq!(firings(&cron(expression, "UTC"), "2027-01-01T00:00:00Z", 2), expected, "{expression}");
    }
}

#[test]
fn a_firing_is_strictly_after() {
    let noon = cron("0 12 * * *", "UTC");
    for (after, expected) in [
        ("2027-01-01T11:59:59.999Z", "2027-01-01T12:00:00Z"),
        ("2027-01-01T12:00:00Z", "2027-01-02T12:00:00Z"),
        ("2027-01-01T12:00:00.001Z", "2027-01-02T12:00:00Z"),
    ] {
        assert_eq!(firings(&noon, after, 1), [expected], "{after}");
    }
    assert_eq!(firings(&noon, "1970-01-01T00:00:00Z", 1), ["1970-01-01T12:00:00Z"]);
    assert_eq!(noon.next_after(Time::MIN, Time::MAX), None);
}

#[test]
fn an_hour_that_occurs_twice_fires_once_and_one_that_does_not_at_the_next_instant() {
    for (expression, timezone, after, expected) in [
        // 02:00 to 03:00 is left out on 28 March 2027.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-03-27T12:00:00Z",
            ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"],
        ),
        (
            "*/15 2 * * *",
            "Europe/Berlin",
            "2027-03-28T00:00:00Z",
            ["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"],
        ),
        (
            "59 1,2 * * *",
            "Europe/Berlin",
            "2027-03-28T00:00:00Z",
            ["2027-03-28T00:59:00Z", "2027-03-28T01:00:00Z"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2027-03-28T00:30:00Z",
            ["2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"],
        ),
        // 02:00 to 03:00 comes twice on 31 October 2027.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-10-30T12:00:00Z",
            ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2027-10-30T23:30:00Z",
            ["2027-10-31T00:00:00Z", "2027-10-31T02:00:00Z"],
        ),
        (
            "0,59 2 * * *",
            "Europe/Berlin",
            "2027-10-31T00:30:00Z",
            ["2027-10-31T00:59:00Z", "2027-11-01T01:00:00Z"],
        ),
        (
            "0 3 * * *",
            "Europe/Berlin",
            "2027-10-31T00:30:00Z",
            ["2027-10-31T02:00:00Z", "2027-11-01T02:00:00Z"],
        ),
        // Asked during the second pass of that hour: what it repeats has fired.
        (
            "45 2 * * *",
            "Europe/Berlin",
            "2027-10-31T01:30:00Z",
            ["2027-11-01T01:45:00Z", "2027-11-02T01:45:00Z"],
        ),
        // Midnight is left out on 4 September 2027.
        (
            "0 0 * * *",
            "America/Santiago",
            "2027-09-05T00:00:00Z",
            ["2027-09-05T04:00:00Z", "2027-09-06T03:00:00Z"],
        ),
        // Half an hour, both ways.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2027-10-02T00:00:00Z",
            ["2027-10-02T15:30:00Z", "2027-10-03T15:15:00Z"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-03T00:00:00Z",
            ["2027-04-03T14:45:00Z", "2027-04-04T15:15:00Z"],
        ),
        // A whole day was left out: Samoa had no 30 December 2011.
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T23:00:00Z",
            ["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
        ),
    ] {
        assert_eq!(
            firings(&cron(expression, timezone), after, 2),
            expected,
            "{expression} in {timezone} after {after}"
        );
    }
}

#[test]
fn a_period_counts_from_the_last_rotation() {
    let week = Schedule::period(Duration::from_secs(7 * 86_400)).expect("a period");
    let anchor = time("2027-01-01T00:00:00Z");
    for (after, expected) in [
        ("2020-01-01T00:00:00Z", "2027-01-08T00:00:00Z"),
        ("2027-01-01T00:00:00Z", "2027-01-08T00:00:00Z"),
        ("2027-01-07T23:59:59.999Z", "2027-01-08T00:00:00Z"),
        ("2027-01-08T00:00:00Z", "2027-01-15T00:00:00Z"),
        ("2037-01-08T00:00:00Z", "2037-01-09T00:00:00Z"),
    ] {
        assert_eq!(week.next_after(anchor, time(after)), Some(time(expected)), "{after}");
    }
    assert_eq!(week.next_after(anchor, Time::MAX), None);
    assert_eq!(week.closest(), Some(Duration::from_secs(7 * 86_400)));
    for period in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        assert!(Schedule::period(period).expect_err("out of range").to_string().contains("168h"));
    }
}

#[test]
fn manual_never_fires() {
    assert_eq!(Schedule::Manual.next_after(Time::MIN, Time::MIN), None);
    assert_eq!(Schedule::Manual.closest(), None);
}

#[test]
fn what_is_no_schedule_is_told_what_to_write() {
    for (expression, hints) in [
        ("", &["0 fields", "five", "`0 3 * * MON`"][..]),
        ("0 3 * *", &["4 fields", "five"]),
        ("0 0 3 * * MON", &["6 fields", "five", "`0 3 * * MON`"]),
        ("0 0 3 ? * MON", &["6 fields", "`0 3 * * MON`"]),
        ("0 3 * * MON 2027", &["6 fields", "`0 3 * * MON`"]),
        ("0 0 3 * * 1 2027", &["7 fields", "`0 3 * * 1`"]),
        ("0 3 * * MON root backup", &["7 fields", "like `0 3 * * MON`"]),
        ("1 2 3 4 5 6 7 8", &["8 fields"]),
        ("61 3 * * *", &["minute field", "`61`", "0 to 59"]),
        ("0 3 L * *", &["day-of-month field", "`L`", "1 to 31"]),
        ("0 3 * * MON#1", &["day-of-week field", "SUN to SAT"]),
        ("0 0 30 2 *", &["never fires"]),
        ("0 0 31 4,6,9,11 *", &["never fires"]),
        ("@reboot", &["@daily"]),
        ("CRON_TZ=UTC 0 3 * * *", &["`timezone`"]),
    ] {
        let sentence = refused(expression).to_string();
        for hint in hints {
            assert!(sentence.contains(hint), "{expression}: {sentence}");
        }
    }
}

#[test]
fn an_unknown_time_zone_is_told_the_nearest() {
    for (timezone, hint) in [
        ("Europe/Berln", "`Europe/Berlin`"),
        ("europe/berlin", "`Europe/Berlin`"),
        ("America/New York", "`America/New_York`"),
        ("Berlin", "`Europe/Berlin`"),
        ("utc", "`UTC`"),
        ("Mars/Olympus_Mons", "`Europe/Berlin`"),
        ("", "`UTC`"),
    ] {
        let error = Schedule::cron("0 3 * * *", timezone).expect_err(timezone);
        assert!(matches!(error, ScheduleError::TimeZone { .. }));
        assert!(error.to_string().contains(hint), "{timezone}: {error}");
    }
}

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

/// SplitMix64: the same schedules in every run.
struct Generator(u64);

impl Generator {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn part(&mut self, first: u64, last: u64, names: &[&str]) -> String {
        let low = self.between(first, last);
        let high = self.between(low, last);
        let named = |number: u64, name: u64| match names.get((number - first) as usize) {
            Some(written) if name == 0 => (*written).to_owned(),
            _ => number.to_string(),
        };
        let (a, b) = (named(low, high % 2), named(high, low % 2));
        match self.below(4) {
            // `SUN-SUN` is the whole week to croner and a Sunday here.
            0 if low < high => format!("{a}-{b}"),
            1 => format!("{low}-{high}/{}", self.between(1, 9)),
            _ => a,
        }
    }

    fn field(&mut self, first: u64, last: u64, names: &[&str]) -> String {
        match self.below(8) {
            0 | 1 => "*".to_owned(),
            2 => format!("*/{}", self.between(1, last)),
            3 => format!("{},{}", self.part(first, last, names), self.part(first, last, names)),
            _ => self.part(first, last, names),
        }
    }

    /// Half of them at one time of the day, as rotations are, most at hours when clocks change.
    fn expression(&mut self) -> String {
        const MONTHS: [&str; 12] =
            ["jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        const DAYS: [&str; 7] = ["SUN", "mon", "Tue", "wed", "thu", "fri", "sat"];
        let (minute, hour) = if self.below(2) == 0 {
            (self.between(0, 59).to_string(), self.pick(&[0, 1, 2, 2, 3, 12, 23]).to_string())
        } else {
            (self.field(0, 59, &[]), self.field(0, 23, &[]))
        };
        let (day, month) = (self.field(1, 31, &[]), self.field(1, 12, &MONTHS));
        format!("{minute} {hour} {day} {month} {}", self.field(0, 7, &DAYS))
    }
}

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
