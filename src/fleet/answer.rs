//! What an answer of livekit-server means. Its text is looked at here and goes nowhere.
//!
//! A wrong secret makes livekit-server 1.13 answer with the whole token, so not
//! even a part of a body may reach a log or an error.

use std::time::{Duration, SystemTime};

use livekit_keyd_core::plan::Verdict;
use livekit_keyd_core::time::Time;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What the node makes of the key.
    Verdict(Verdict),
    /// The token did not reach the node.
    Stripped,
    /// Nothing that is known to mean anything.
    Other,
}

/// The answer to `GET /rtc/validate`.
pub(super) fn of_validate(status: u16, body: &[u8]) -> Meaning {
    match status {
        // Only a token whose signature was verified comes so far.
        400 if contains(body, "identity cannot be empty") => Meaning::Verdict(Verdict::Accepted),
        401 if contains(body, "no permissions to access the room") => Meaning::Stripped,
        401 => refusal(body),
        _ => Meaning::Other,
    }
}

/// The answer to `ListRooms`, for which the token has no grant: a node that verified it says just that.
///
/// A node that was shown no token says the same, which is what the control question is for.
pub(super) fn of_list_rooms(status: u16, body: &[u8]) -> Meaning {
    match status {
        401 | 403 if contains(body, "permissions denied") => Meaning::Verdict(Verdict::Accepted),
        401 => refusal(body),
        _ => Meaning::Other,
    }
}

fn refusal(body: &[u8]) -> Meaning {
    if contains(body, "invalid API key") {
        Meaning::Verdict(Verdict::Refused)
    } else if contains(body, "invalid token") || contains(body, "invalid authorization token") {
        Meaning::Verdict(Verdict::Mismatch)
    } else {
        Meaning::Other
    }
}

fn contains(body: &[u8], part: &str) -> bool {
    body.windows(part.len()).any(|window| window == part.as_bytes())
}

/// By how much the clock behind a `Date` header differs at least. The header has whole seconds, and the answer may
/// have been written at any moment since the question was sent.
pub(crate) fn clock_difference(date: &str, sent: Time, round_trip: Duration) -> Option<Duration> {
    let date = httpdate::parse_http_date(date).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let date = Time::from_millis(i64::try_from(date.as_millis()).ok()?);
    let ahead = date.since(sent + round_trip);
    let behind = sent.since(date + Duration::from_secs(1));
    Some(ahead.max(behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_livekit_1_13_are_known() {
        let accepted = Meaning::Verdict(Verdict::Accepted);
        let refused = Meaning::Verdict(Verdict::Refused);
        let mismatch = Meaning::Verdict(Verdict::Mismatch);
        for (status, body, meaning) in [
            (400, "identity cannot be empty", accepted),
            (400, "join_request is required", Meaning::Other),
            (401, "invalid API key: APIx", refused),
            (401, "invalid API key", refused),
            (401, "invalid token: eyJ.eyJ.x, error: token is expired", mismatch),
            (401, "invalid authorization token", mismatch),
            (401, "no permissions to access the room", Meaning::Stripped),
            (401, "who are you?", Meaning::Other),
            (200, "identity cannot be empty", Meaning::Other),
            (302, "invalid API key", Meaning::Other),
        ] {
            assert_eq!(of_validate(status, body.as_bytes()), meaning, "{status} {body}");
        }
        for (status, body, meaning) in [
            (401, r#"{"code":"unauthenticated","msg":"permissions denied"}"#, accepted),
            (403, r#"{"code":"permission_denied","msg":"permissions denied"}"#, accepted),
            (401, "invalid API key: APIx", refused),
            (401, "invalid token: eyJ", mismatch),
            (200, r#"{"rooms":[]}"#, Meaning::Other),
            (404, "", Meaning::Other),
        ] {
            assert_eq!(of_list_rooms(status, body.as_bytes()), meaning, "{status} {body}");
        }
    }

    #[test]
    fn clocks_differ_by_what_seconds_and_the_way_cannot_explain() {
        let sent: Time = "2026-11-24T12:00:10.400Z".parse().expect("a time");
        let way = Duration::from_millis(300);
        for (date, millis) in [
            ("Tue, 24 Nov 2026 12:00:09 GMT", 400),
            ("Tue, 24 Nov 2026 12:00:10 GMT", 0),
            ("Tue, 24 Nov 2026 12:00:11 GMT", 300),
            ("Tue, 24 Nov 2026 12:01:10 GMT", 59_300),
            ("Tue, 24 Nov 2026 11:59:10 GMT", 59_400),
        ] {
            assert_eq!(clock_difference(date, sent, way), Some(Duration::from_millis(millis)), "{date}");
        }
        assert_eq!(clock_difference("yesterday", sent, way), None);
    }
}
