//! When a schedule fires.

use std::time::Duration;

use livekit_keyd_core::schedule::Schedule;
use livekit_keyd_core::time::Time;

use super::fixtures::{cron, firings, time};

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
