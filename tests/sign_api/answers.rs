//! Good requests: what comes back, and that LiveKit's own verifier takes it.

use std::collections::BTreeSet;

use livekit_token::TokenVerifier;
use serde_json::{Value, json};

use super::harness::{Harness, KEY, SECRET};
use super::wire::{Wire, post};
use crate::support::http;

fn good() -> Value {
    json!({"identity": "alice", "room": "demo-1", "profile": "viewer", "ttl": "10m"})
}

#[test]
fn a_token_with_all_that_a_client_needs() {
    let harness = Harness::new();
    let (status, answer) = harness.socket().post("/v1/tokens", &good());
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["key_id"], KEY);
    assert_eq!(answer["server_url"], "wss://livekit.example");
    assert_eq!(answer["expires_in"], 600);
    assert!(answer.get("ttl_limited_by").is_none(), "{answer}");
    let (refresh, expiry) = (answer["refresh_at"].as_str(), answer["expires_at"].as_str());
    assert!(refresh.expect("a time") < expiry.expect("a time"), "{answer}");
    let token = answer["token"].as_str().expect("a token");
    let claims = TokenVerifier::with_api_key(KEY, SECRET).verify(token).expect("LiveKit's verifier takes it");
    assert_eq!((claims.sub.as_str(), claims.video.room.as_str()), ("alice", "demo-1"));
    assert!(claims.video.room_join && claims.video.can_publish == Some(false));
}

#[test]
fn a_life_is_shortened_and_the_answer_says_by_what() {
    let harness = Harness::new();
    for ttl in [json!(1_000_000_000_000_000_000_u64), json!("30d"), json!(1e30)] {
        let request = json!({"identity": "a", "room": "demo", "profile": "viewer", "ttl": ttl});
        let (status, answer) = harness.socket().post("/v1/tokens", &request);
        assert_eq!(status, 201, "{answer}");
        assert_eq!(answer["expires_in"], 1800, "{answer}");
        assert_eq!(answer["ttl_limited_by"], "caller", "{answer}");
    }
    let clamped = "livekit_keyd_ttl_clamped_total{by=\"caller\",keyset=\"default\"} 3\n";
    assert!(harness.scrape().contains(clamped), "{}", harness.scrape());
}

#[test]
fn json_whatever_the_content_type() {
    let harness = Harness::new();
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/json"] {
        let request =
            http::request("POST", "/v1/tokens", &[("content-type", kind)], good().to_string().as_bytes());
        assert_eq!(harness.socket().send(&request).expect("an answer").status, 201, "{kind}");
    }
}

#[test]
fn a_batch_keeps_its_order() {
    let harness = Harness::new();
    let count = 2_500;
    let request = |i: usize| json!({"identity": format!("user-{i}"), "room": "demo", "profile": "viewer"});
    let batch = json!({"tokens": (0..count).map(request).collect::<Vec<_>>()});
    let (status, answer) = harness.socket().post("/v1/tokens/batch", &batch);
    assert_eq!(status, 200);
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), count);
    let verifier = TokenVerifier::with_api_key(KEY, SECRET);
    for (i, result) in results.iter().enumerate() {
        let token = result["token"].as_str().unwrap_or_else(|| panic!("{result}"));
        assert_eq!(verifier.verify(token).expect("a good token").sub, format!("user-{i}"));
    }
    let issued = format!("livekit_keyd_tokens_issued_total{{caller=\"app\",keyset=\"default\"}} {count}\n");
    assert!(harness.scrape().contains(&issued), "{}", harness.scrape());
}

#[test]
fn verdicts() {
    let harness = Harness::new();
    let (_, minted) = harness.socket().post("/v1/tokens", &good());
    let token = minted["token"].as_str().expect("a token");
    let ask = |token: &str| harness.socket().post("/v1/tokens/verify", &json!({"token": token}));
    let (status, verdict) = ask(token);
    assert_eq!((status, &verdict["active"]), (200, &json!(true)), "{verdict}");
    assert_eq!((&verdict["key_id"], &verdict["phase"]), (&json!(KEY), &json!("active")));
    assert_eq!(verdict["claims"]["sub"], "alice");

    let (head, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{first}{}", &signature[1..]);
    for (token, reason) in [(forged.as_str(), "wrong-signature"), ("x", "not-a-jwt"), ("", "not-a-jwt")] {
        let (status, verdict) = ask(token);
        assert_eq!((status, &verdict["active"]), (200, &json!(false)), "{verdict}");
        assert_eq!(verdict["reason"], reason, "{verdict}");
        assert!(verdict.get("claims").is_none(), "{verdict}");
    }
}

#[test]
fn keys_without_secrets_and_with_a_tag() {
    let harness = Harness::new();
    let ask = |headers: &[(&str, &str)]| {
        harness.socket().send(&http::request("GET", "/v1/keys", headers, b"")).expect("an answer")
    };
    let answer = ask(&[]);
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.contains(KEY) && !text.contains(SECRET), "{text}");
    let phases: Vec<_> = answer.json()["keysets"][0]["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| key["phase"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(phases, ["retiring", "active", "standby"]);
    let tag = answer.header("etag").expect("a tag");
    for known in [tag.to_owned(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let unchanged = ask(&[("if-none-match", &known)]);
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{known}");
        assert_eq!(unchanged.header("etag"), Some(tag));
    }
    assert_eq!(ask(&[("if-none-match", "\"other\"")]).status, 200);
}

#[test]
fn many_at_once_on_many_connections_and_many_on_one() {
    let harness = Harness::new();
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let path = harness.path();
            std::thread::spawn(move || {
                let mut wire = Wire::connect(&path).expect("a connection");
                let mut tokens = Vec::new();
                for i in 0..50 {
                    let identity = format!("c{client}-{i}");
                    let body = json!({"identity": identity, "room": "demo", "profile": "viewer"}).to_string();
                    wire.send(&post("/v1/tokens", body.as_bytes())).expect("it is sent");
                    let reply = wire.answer().expect("whole").expect("an answer");
                    assert_eq!(reply.status, 201);
                    let token = reply.json()["token"].as_str().expect("a token").to_owned();
                    let claims =
                        TokenVerifier::with_api_key(KEY, SECRET).verify(&token).expect("a good token");
                    assert_eq!(claims.sub, identity, "each gets its own answer");
                    tokens.push(token);
                }
                tokens
            })
        })
        .collect();
    let tokens: BTreeSet<_> =
        clients.into_iter().flat_map(|client| client.join().expect("no client fails")).collect();
    assert_eq!(tokens.len(), 16 * 50);
}

#[test]
fn a_caller_that_is_gone_leaves_no_series() {
    let harness = Harness::new();
    assert_eq!(harness.socket().post("/v1/tokens", &good()).0, 201);
    let mut elsewhere = good();
    elsewhere["room"] = json!("elsewhere");
    assert_eq!(harness.socket().post("/v1/tokens", &elsewhere).0, 403);
    let issued = "tokens_issued_total{caller=\"app\",keyset=\"default\"} 1\n";
    assert!(harness.scrape().contains(issued), "{}", harness.scrape());
    harness.metrics.keep_callers(&BTreeSet::from([("default", "app"), ("default", "other")]));
    assert!(harness.scrape().contains(issued), "it is still configured");
    // In another keyset it goes on under its name.
    harness.metrics.keep_callers(&BTreeSet::from([("moved", "app")]));
    let scrape = harness.scrape();
    assert!(!scrape.contains("tokens_issued_total{caller=\"app\",keyset=\"default\"}"), "{scrape}");
    assert!(scrape.contains("token_requests_total{caller=\"app\",result=\"ok\"} 1\n"), "{scrape}");
    harness.metrics.keep_callers(&BTreeSet::new());
    let scrape = harness.scrape();
    assert!(!scrape.contains("caller=\"app\""), "{scrape}");
}
