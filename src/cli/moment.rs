//! Times as people say them: `in 3 h 12 min`, `4 s ago`.

use std::time::Duration;

use livekit_keyd_core::time::Time;

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

/// A length of time in its two largest units, rounded down.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let Some(first) = UNITS.iter().position(|(_, size)| seconds >= *size) else {
        return "less than 1 s".to_owned();
    };
    let (unit, size) = UNITS[first];
    let mut text = format!("{} {unit}", seconds / size);
    if let Some((unit, smaller)) = UNITS.get(first + 1) {
        let rest = seconds % size / smaller;
        if rest > 0 {
            text.push_str(&format!(" {rest} {unit}"));
        }
    }
    text
}

/// How far away a moment is.
pub fn relative(at: Time, now: Time) -> String {
    let (ahead, behind) = (at.since(now), now.since(at));
    if ahead.as_secs() > 0 {
        format!("in {}", span(ahead))
    } else if behind.as_secs() > 0 {
        format!("{} ago", span(behind))
    } else {
        "now".to_owned()
    }
}

/// A moment on the calendar, in UTC, to the second.
pub fn calendar(at: Time) -> String {
    at.to_utc().format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// How far away a moment is, and when that is.
pub fn both(at: Time, now: Time) -> String {
    format!("{} ({})", relative(at, now), calendar(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_are_enough() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(said(0), "less than 1 s");
        assert_eq!(said(59), "59 s");
        assert_eq!(said(3600), "1 h");
        assert_eq!(said(3 * 3600 + 12 * 60 + 9), "3 h 12 min");
        assert_eq!(said(86_400 + 59), "1 d");
        assert_eq!(said(6 * 86_400 + 23 * 3600), "6 d 23 h");
    }

    #[test]
    fn before_and_after() {
        let now = Time::from_millis(1_795_521_600_000);
        assert_eq!(relative(now + Duration::from_secs(90), now), "in 1 min 30 s");
        assert_eq!(relative(now - Duration::from_secs(4), now), "4 s ago");
        assert_eq!(relative(now + Duration::from_millis(300), now), "now");
        assert_eq!(both(now, now), "now (2026-11-24 12:00:00Z)");
    }
}
