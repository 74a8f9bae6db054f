//! A compromise ends what a key's tokens were refreshed for.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::harness::{Harness, KEY, SECRET, document};

#[test]
fn a_compromised_keys_token_is_not_refreshed() {
    let harness = Harness::new();
    let asked = json!({"identity": "ann", "room": "demo", "profile": "viewer"});
    let (status, minted) = harness.socket().post("/v1/tokens", &asked);
    assert_eq!((status, &minted["key_id"]), (201, &json!(KEY)));
    let refresh = || harness.socket().post("/v1/tokens/refresh", &json!({"token": minted["token"]}));
    assert_eq!(refresh().0, 201);
    let mut compromised = document();
    compromised["seq"] = json!(8);
    compromised["writes"] = json!([{"seq": 7, "id": "w7"}, {"seq": 8, "id": "w8"}]);
    compromised["keys"][1]["compromised_at"] = json!("2026-02-01T00:00:00Z");
    compromised["keys"][0]["not_after"] = json!(null);
    harness.offer(compromised);
    let (status, said) = refresh();
    assert_eq!(status, 422, "{said}");
    assert!(said["detail"].as_str().is_some_and(|said| said.contains("compromised")), "{said}");
    // Nor is one that is made with the stolen secret.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = json!({
        "iss": KEY, "sub": "thief", "nbf": now, "exp": now + 600, "video": {"roomJoin": true, "room": "demo"},
        "livekit_keyd": {"profile": "viewer", "caller": "app", "auth_time": now},
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    assert_eq!(harness.socket().post("/v1/tokens/refresh", &json!({"token": forged})).0, 422);
}
