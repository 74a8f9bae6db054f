//! A point in time that cannot overflow.
//!
//! Documents come from outside, so their times may be anything; sums of them
//! with durations saturate at the years 1970 and 9999 instead of panicking.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, written as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// The Unix epoch.
    pub const MIN: Time = Time(0);
    /// The last millisecond of the year 9999, the last that RFC 3339 can write.
    pub const MAX: Time = Time(253_402_300_799_999);

    /// Clamped to [`Time::MIN`] and [`Time::MAX`].
    pub fn from_millis(millis: i64) -> Time {
        Time(millis.clamp(Time::MIN.0, Time::MAX.0))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: a JWT's NumericDate (RFC 7519, section 2).
    pub fn as_secs(self) -> i64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }

    /// As the calendar sees it.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Time {
        Time::from_millis(time.timestamp_millis())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, duration: Duration) -> Time {
        Time::from_millis(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, duration: Duration) -> Time {
        Time::from_millis(self.0.saturating_sub(millis(duration)))
    }
}

impl Time {
    /// As RFC 3339 has it, without a fraction where there is none. Each token's answer has two, so no allocation here.
    pub(crate) fn text<'a>(&self, room: &'a mut [u8; 24]) -> &'a str {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        *room = *b"0000-00-00T00:00:00.000Z";
        for (place, digits, number) in [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, hour),
            (14, 2, minute),
            (17, 2, second),
            (20, 3, millis),
        ] {
            put(&mut room[place..place + digits], number);
        }
        if millis == 0 {
            room[19] = b'Z';
        }
        let length = if millis == 0 { 20 } else { 24 };
        std::str::from_utf8(&room[..length]).unwrap_or_default()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 24]))
    }
}

/// The last digits of a number, as many as there is room for.
fn put(room: &mut [u8], mut number: i64) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10).unsigned_abs() as u8;
        number /= 10;
    }
}

/// The Gregorian date of a day since 1970, by counting in years that begin in March and eras of 400 years.
fn date(day: i64) -> (i64, i64, i64) {
    let since_era_0 = day + 719_468;
    let (era, day) = (since_era_0 / 146_097, since_era_0 % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day - (153 * march_month + 2) / 5 + 1)
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Time {
    type Err = chrono::ParseError;
    fn from_str(text: &str) -> Result<Time, chrono::ParseError> {
        DateTime::parse_from_rfc3339(text).map(|time| time.to_utc().into())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; 24]))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "description": "As RFC 3339 has it, in UTC."})
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            serde::de::Error::custom(format_args!(
                "`{text}` is not a time as RFC 3339 writes it, like 2030-01-31T12:00:00Z"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate_where_rfc_3339_ends() {
        assert_eq!(Time::MAX + Duration::MAX, Time::MAX);
        assert_eq!(Time::from_millis(5) - Duration::MAX, Time::MIN);
        assert_eq!(Time::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn days_until_9999_are_written_as_the_calendar_has_them() {
        // A step that is no divisor of any month, year or era comes by all of their days.
        for day in (0..=2_932_896).step_by(11) {
            let time = Time::from_millis(day * 86_400_000 + 45_296_000);
            assert_eq!(time.to_string(), time.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
    }

    #[test]
    fn text_and_back() {
        for text in ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00.250Z"] {
            assert_eq!(text.parse::<Time>().expect("a time").to_string(), text);
        }
        assert_eq!(
            "2026-11-24T13:00:00+01:00".parse::<Time>().expect("a time").to_string(),
            "2026-11-24T12:00:00Z"
        );
        assert!(
            serde_json::from_str::<Time>("\"noon\"").expect_err("no time").to_string().contains("RFC 3339")
        );
    }
}
