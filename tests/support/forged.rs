//! Tokens that somebody else signs who has a secret.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A token of any claims, signed outside of any daemon.
pub(crate) fn sign(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

/// A token that may join.
pub(crate) fn forge(id: &str, secret: &str) -> String {
    let now = now();
    let video = json!({"roomJoin": true, "room": "demo", "roomList": true});
    sign(secret, &json!({"iss": id, "sub": "thief", "nbf": now, "exp": now + 600, "video": video}))
}
