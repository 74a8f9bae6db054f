//! Durations as people write them: `90s`, `15m`, `1h30m`, `500ms`.
//!
//! One grammar for the configuration, the document, requests and the command
//! line. Use it in serde with `#[serde(with = "duration")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// What [`parse`] reads, as a regular expression of ECMA-262.
pub const PATTERN: &str = "^([0-9]+(d|h|m|s|ms) *)+$";

/// Reads numbers with units `ms`, `s`, `m`, `h` or `d`, largest first or not, summed.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn parse(text: &str) -> Result<Duration, String> {
    sum(text.trim()).map(Duration::from_millis).ok_or_else(|| {
        format!("`{text}` is not a duration; write whole numbers with a unit of ms, s, m, h or d, like 90s, 15m or 1h30m")
    })
}

fn sum(mut rest: &str) -> Option<u64> {
    let mut total = 0u64;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (_, millis) = UNITS.into_iter().find(|(unit, _)| *unit == &rest[..end])?;
        total = total.checked_add(number.checked_mul(millis)?)?;
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// The shortest text that [`parse`] reads back, to the millisecond.
pub fn format(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        if millis >= size {
            text.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    text
}

/// For serde: as [`format()`] writes it.
///
/// # Errors
/// The serializer's own.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For serde: as [`parse`] reads it.
///
/// # Errors
/// What [`parse`] says.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["0s", "500ms", "90s", "15m", "1h30m", "7d", "1d2h3m4s5ms"] {
            let duration = parse(text).expect("a duration");
            assert_eq!(parse(&format(duration)), Ok(duration), "{text}");
        }
        assert_eq!(format(Duration::from_secs(90)), "1m30s");
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5400)));
    }

    #[test]
    fn what_is_no_duration_is_told_how_one_looks() {
        for text in
            ["", "15", "1y", "-1s", "1.5s", "s", "NaN", "99999999999999999999s", "9999999999999999d", "１s"]
        {
            assert!(parse(text).expect_err(text).contains("15m"), "{text}");
        }
    }
}
