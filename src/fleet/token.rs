//! The token that a node is shown: worthless to whoever gets hold of it.
//!
//! It names no participant, by `sub` or by `jti`, so nobody can join with it; it
//! grants nothing but a room that nobody knows; and it dies within a minute. A
//! node's opinion of it tells what the node makes of the key all the same.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use serde::Serialize;

/// In seconds.
const LIFE: i64 = 60;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    nbf: i64,
    exp: i64,
    video: Video<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Video<'a> {
    room_join: bool,
    room: &'a str,
}

/// Signed with a key, for a room whose name is a nonce.
pub(super) fn worthless(id: &KeyId, secret: &Secret, room: &str, now: Time) -> Result<String, String> {
    let now = now.as_secs();
    let claims =
        Claims { iss: id.as_str(), nbf: now, exp: now + LIFE, video: Video { room_join: true, room } };
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    #[test]
    fn it_names_nobody_and_grants_nothing_else() {
        let secret = Secret::new("secret".repeat(8));
        let token = worthless(&KeyId::new("APIx"), &secret, "nonce", Time::from_millis(1_700_000_000_900));
        let token = token.expect("a token");
        let claims = token.split('.').nth(1).expect("claims");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let expected = json!({
            "iss": "APIx",
            "nbf": 1_700_000_000,
            "exp": 1_700_000_060,
            "video": {"roomJoin": true, "room": "nonce"},
        });
        assert_eq!(claims, expected);
    }
}
