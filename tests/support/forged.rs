//! Tokens that somebody else signs who has a secret.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// A token that may join, signed outside of any daemon.
pub(crate) fn forge(id: &str, secret: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let video = json!({"roomJoin": true, "room": "demo"});
    let claims = json!({"iss": id, "sub": "thief", "nbf": now, "exp": now + 600, "video": video});
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}
