//! `POST /v1/webhooks/verify`: did our LiveKit send this, just now, and for the first time?
//!
//! Receivers of the SDKs know one key, so that a change of `webhook.api_key` breaks
//! them; here every key is known whose tokens are. Source: `webhook/verifier.go` and
//! `webhook/url_notifier.go` of livekit/protocol.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use livekit_keyd_core::time::Time;
use livekit_keyd_core::verify::{LEEWAY, Reason, Unverified};
use serde_json::Value;

use super::{SignApi, verify};
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;
use crate::clock;

/// How long LiveKit makes a webhook's token live, in seconds.
const LIFE: i64 = 300;

/// The most webhooks that are remembered; a window of six minutes fills it at 270 a second.
const MOST_REMEMBERED: usize = 100_000;

/// Webhooks that were verified and whose tokens have not expired yet, by their hash.
#[derive(Default)]
pub struct Replays(Mutex<HashMap<[u8; 32], Time>>);

enum Refused {
    /// It is no webhook of ours.
    Not(String),
    /// It was verified before.
    Replayed,
    /// More than can be remembered.
    TooMany,
}

impl From<&str> for Refused {
    fn from(why: &str) -> Refused {
        Refused::Not(why.to_owned())
    }
}

impl SignApi {
    pub(super) fn webhook(
        &self,
        caller: &ResolvedCaller,
        record: &mut Record<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Answer {
        let verified = self.judge_webhook(caller, record, headers, body);
        let (result, status, detail) = match verified {
            Ok(()) => {
                record.verified();
                self.metrics.verified.with_label_values(&["webhook"]).inc();
                return answer::json(StatusCode::OK, body.to_vec());
            }
            Err(Refused::Not(why)) => ("webhook-refused", StatusCode::UNAUTHORIZED, why),
            Err(Refused::Replayed) => (
                "webhook-replayed",
                StatusCode::UNAUTHORIZED,
                "this webhook was verified before: whoever sends it again may have copied it".to_owned(),
            ),
            Err(Refused::TooMany) => (
                "webhook-too-many",
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{MOST_REMEMBERED} webhooks are remembered already: try again in a minute"),
            ),
        };
        record.refused(result, None, &detail);
        self.metrics.verified.with_label_values(&[result]).inc();
        answer::problem(status, result, &detail, "")
    }

    fn judge_webhook(
        &self,
        caller: &ResolvedCaller,
        record: &mut Record<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Refused> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err("send the webhook's Authorization header along, once".into());
        };
        let text = value.to_str().map_err(|_| "the Authorization header is no text")?.trim();
        let text = text.strip_prefix("Bearer ").unwrap_or(text);
        let keyring = caller.signer.keyring();
        let keyring = keyring.as_ref().ok_or("no key is known yet")?;
        let refused = |reason: &Reason| Refused::Not(format!("the webhook's token is refused: {reason}"));
        let token = Unverified::parse(text).map_err(|reason| refused(&reason))?;
        let now = clock::now();
        let signature = verify::signature(keyring, &token);
        verify::notice(record, signature, &token, text);
        if let Some(reason) = token.reasons(signature, now).first() {
            return Err(refused(reason));
        }
        let exp = token.claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
        if exp > now.as_secs() + LIFE + LEEWAY {
            return Err("the webhook's token lives longer than LiveKit makes them".into());
        }
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, body));
        if token.claims.get("sha256").and_then(Value::as_str) != Some(&hash) {
            return Err("the body is not the one that the webhook's token was made for".into());
        }
        if !is_json(body) {
            return Err("the body is no JSON".into());
        }
        let until = Time::from_millis(exp.saturating_mul(1000)) + Duration::from_secs(LEEWAY.unsigned_abs());
        self.replays.first(text, until, now)
    }
}

/// Whether it is JSON for every reader: what serde skips it looks into no further, neither at UTF-8 (RFC 8259, section
/// 8.1) nor at how large a number is.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok()
}

impl Replays {
    /// Remembers a token until nobody would accept it any more.
    fn first(&self, token: &str, until: Time, now: Time) -> Result<(), Refused> {
        // The signature is all of a token that its sender could not write in another way.
        let signature = token.rsplit('.').next().unwrap_or_default();
        let hash = digest::digest(&digest::SHA256, signature.as_bytes());
        let hash = <[u8; 32]>::try_from(hash.as_ref()).unwrap_or_default();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&hash) {
            return Err(Refused::Replayed);
        }
        if known.len() >= MOST_REMEMBERED {
            known.retain(|_, until| now <= *until);
        }
        if known.len() >= MOST_REMEMBERED {
            return Err(Refused::TooMany);
        }
        known.insert(hash, until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_readers_cannot_read_is_no_json() {
        assert!(is_json("{\"room\": \"dämo\", \"at\": 1.5e300}".as_bytes()));
        assert!(!is_json(b"{\"room\": \"d\x9dmo\"}"));
        assert!(!is_json(b"{\"at\": 88e888888}"));
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for_and_nothing_is_forgotten_early() {
        let replays = Replays::default();
        let at = |seconds: i64| Time::from_millis(seconds * 1000);
        for number in 0..MOST_REMEMBERED {
            assert!(replays.first(&format!("a.b.{number}"), at(100), at(0)).is_ok());
        }
        assert!(matches!(replays.first("a.b.more", at(100), at(100)), Err(Refused::TooMany)));
        assert!(matches!(replays.first("x.y.7", at(100), at(100)), Err(Refused::Replayed)));
        assert!(replays.first("a.b.more", at(200), at(101)).is_ok());
        assert!(matches!(replays.first("a.b.more", at(200), at(101)), Err(Refused::Replayed)));
    }
}
