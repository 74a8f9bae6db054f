//! What is no schedule, and what is said of it.

use livekit_keyd_core::schedule::{Schedule, ScheduleError};

use super::fixtures::refused;

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
