//! What the socket does not bear, and that it bears the rest meanwhile.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd::api::callers::ResolvedCaller;
use livekit_keyd::api::limit::{Limit, Per, Rate};
use livekit_keyd::api::server::Limits;
use livekit_keyd_core::policy::CallerMatch;
use serde_json::json;

use super::harness::{Harness, limits};
use super::wire::{Wire, post};
use crate::support::eventually::{PATIENCE, eventually};

const SHORT: Duration = Duration::from_millis(200);

fn good() -> Vec<u8> {
    let body = json!({"identity": "a", "room": "demo", "profile": "viewer"}).to_string();
    post("/v1/tokens", body.as_bytes())
}

fn open(harness: &Harness) -> i64 {
    harness.metrics.connections.with_label_values(&["sign"]).get()
}

#[test]
fn an_idle_connection_and_half_a_head_are_closed() {
    let harness = Harness::with(Limits { idle_timeout: SHORT, ..limits() });
    for beginning in ["", "POST /v1/tok", "POST /v1/tokens HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut wire = Wire::connect(&harness.path()).expect("a connection");
        wire.send(beginning.as_bytes()).expect("it is sent");
        assert!(wire.is_closed(), "{beginning:?}");
    }
    let mut used = Wire::connect(&harness.path()).expect("a connection");
    used.send(&good()).expect("it is sent");
    assert_eq!(used.answer().expect("whole").expect("an answer").status, 201);
    assert!(used.is_closed(), "idle after its first request");
    eventually(PATIENCE, "no connection is counted any more", || open(&harness) == 0);
}

#[test]
fn half_a_body_that_never_ends_is_answered_and_closed() {
    let harness = Harness::with(Limits { body_timeout: SHORT, ..limits() });
    let mut wire = Wire::connect(&harness.path()).expect("a connection");
    wire.send(b"POST /v1/tokens HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"identity\":")
        .expect("sent");
    // Others are served meanwhile.
    let mut other = Wire::connect(&harness.path()).expect("a connection");
    other.send(&good()).expect("it is sent");
    assert_eq!(other.answer().expect("whole").expect("an answer").status, 201);
    let reply = wire.answer().expect("whole").expect("an answer");
    assert_eq!(reply.status, 408, "{reply:?}");
    assert_eq!(reply.json()["type"], "urn:livekit-keyd:problem:timeout");
    assert!(wire.is_closed());
}

#[test]
fn who_does_not_read_the_answers_is_closed() {
    let harness = Harness::with(Limits { idle_timeout: SHORT, ..limits() });
    let mut deaf = Wire::connect(&harness.path()).expect("a connection");
    let requests = good().repeat(20_000);
    // Until nothing goes in any more: the server waits for us to read, and gives up.
    let refused = deaf.send(&requests).expect_err("the server closes before it took all");
    assert!(
        matches!(refused.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset),
        "{refused}"
    );
    eventually(PATIENCE, "its place is free again", || open(&harness) == 0);
}

#[test]
fn a_body_that_is_too_large() {
    let harness = Harness::new();
    let large = vec![b' '; 16 * 1024 + 1];
    let mut wire = Wire::connect(&harness.path()).expect("a connection");
    wire.send(&post("/v1/tokens", &large)).expect("it is sent");
    let reply = wire.answer().expect("whole").expect("an answer");
    assert_eq!(reply.status, 413, "{reply:?}");
    assert_eq!(reply.json()["type"], "urn:livekit-keyd:problem:too-large");
    assert!(reply.json()["detail"].as_str().expect("a sentence").contains("16384 bytes"));

    let mut chunked = Wire::connect(&harness.path()).expect("a connection");
    chunked.send(b"POST /v1/tokens HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").expect("sent");
    chunked.send(format!("{:x}\r\n", large.len()).as_bytes()).expect("it is sent");
    chunked.send(&large).expect("it is sent");
    let reply = chunked.answer().expect("whole").expect("an answer");
    assert_eq!(reply.status, 413, "{reply:?}");

    let mut exact = Wire::connect(&harness.path()).expect("a connection");
    exact.send(&post("/v1/tokens", &vec![b' '; 16 * 1024])).expect("it is sent");
    assert_eq!(exact.answer().expect("whole").expect("an answer").status, 400, "the limit itself is borne");
}

#[test]
fn heads_that_are_too_long_or_no_http() {
    let harness = Harness::new();
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(200));
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "b".repeat(100_000));
    for (request, status) in [(many.as_str(), 431), (long.as_str(), 431), ("hello\r\n\r\n", 400)] {
        let mut wire = Wire::connect(&harness.path()).expect("a connection");
        // The server may close before it has read all of it.
        let _ = wire.send(request.as_bytes());
        assert_eq!(wire.answer().expect("whole").expect("an answer").status, status);
        assert!(wire.is_closed());
    }
}

#[test]
fn one_connection_more_than_allowed_is_told_so() {
    let harness = Harness::with(Limits { max_connections: 3, ..limits() });
    let connect = || {
        let mut wire = Wire::connect(&harness.path()).expect("a connection");
        wire.send(&good()).expect("it is sent");
        wire
    };
    let mut held: Vec<_> = (0..3).map(|_| connect()).collect();
    for wire in &mut held {
        assert_eq!(wire.answer().expect("whole").expect("an answer").status, 201);
    }
    let mut surplus = Wire::connect(&harness.path()).expect("a connection");
    let reply = surplus.answer().expect("whole").expect("an answer");
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["type"], "urn:livekit-keyd:problem:too-many-connections", "{reply:?}");
    assert!(reply.head.contains("retry-after: 1"), "{}", reply.head);
    assert!(reply.json()["detail"].as_str().expect("a sentence").contains("max_connections"), "{reply:?}");
    drop(held.pop());
    eventually(PATIENCE, "there is a place again", || {
        let mut wire = Wire::connect(&harness.path()).expect("a connection");
        wire.send(&good()).is_ok() && matches!(wire.answer(), Ok(Some(reply)) if reply.status == 201)
    });
}

#[test]
fn requests_sent_together_are_answered_in_order() {
    let harness = Harness::new();
    let mut wire = Wire::connect(&harness.path()).expect("a connection");
    let body = |i: usize| json!({"identity": format!("p{i}"), "room": "demo", "profile": "host"}).to_string();
    let all: Vec<u8> = (0..20).flat_map(|i| post("/v1/tokens", body(i).as_bytes())).collect();
    wire.send(&all).expect("it is sent");
    for i in 0..20 {
        let reply = wire.answer().expect("whole").expect("an answer");
        assert_eq!(reply.status, 201);
        let token = reply.json()["token"].as_str().expect("a token").to_owned();
        let claims = livekit_token::TokenVerifier::with_api_key(super::harness::KEY, super::harness::SECRET)
            .verify(&token)
            .expect("a good token");
        assert_eq!(claims.sub, format!("p{i}"));
    }
}

fn limited(harness: &Harness, count: u32) -> ResolvedCaller {
    let number = |number| NonZeroU32::new(number).expect("not zero");
    let rate = Rate { count: number(count), per: Per::Hour, burst: number(3) };
    let uid = rustix::process::getuid().as_raw();
    let caller = harness.caller("app", CallerMatch { uids: Some(vec![uid]), gids: None });
    // As a reload does it.
    let limit = harness.callers.load().limit("app", rate).unwrap_or_else(|| Arc::new(Limit::new(rate)));
    ResolvedCaller { limit: Some(limit), ..caller }
}

#[test]
fn more_tokens_than_a_caller_may_ask_for_are_refused_each_by_itself() {
    let harness = Harness::new();
    harness.know(vec![limited(&harness, 2)]);
    let token = json!({"identity": "a", "room": "demo", "profile": "viewer"});
    let elsewhere = json!({"identity": "a", "room": "elsewhere", "profile": "viewer"});
    // One that is denied was asked for too; a mistake is none.
    let batch = json!({"tokens": [token, elsewhere, {"idenity": "a"}, token, token]});
    let (status, answer) = harness.socket().post("/v1/tokens/batch", &batch);
    assert_eq!(status, 200, "{answer}");
    let fates: Vec<_> = answer["results"].as_array().expect("results").iter().collect();
    let status = |index: usize| fates[index]["status"].as_u64();
    let statuses: Vec<_> = (0..5).map(status).collect();
    assert_eq!(statuses, [None, Some(403), Some(400), None, Some(429)], "{answer}");
    assert_eq!(fates[4]["type"], "urn:livekit-keyd:problem:rate-limited");
    assert_eq!(fates[4]["pointer"], "/tokens/4");

    let refused = harness.socket().send(&good()).expect("an answer");
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").expect("when").parse().expect("seconds");
    assert!((1795..=1800).contains(&wait), "{wait}");
    assert_eq!(harness.socket().get("/v1/keys").0, 200, "what asks for no token goes on");

    harness.know(vec![limited(&harness, 2)]);
    assert_eq!(harness.socket().send(&good()).expect("an answer").status, 429, "a reload fills no bucket");
    harness.know(vec![limited(&harness, 7)]);
    assert_eq!(harness.socket().send(&good()).expect("an answer").status, 201, "another limit is a new one");
    let scrape = harness.scrape();
    assert!(scrape.contains("livekit_keyd_rate_limited_total{caller=\"app\"} 3\n"), "{scrape}");
    assert!(scrape.contains("token_requests_total{caller=\"app\",result=\"rate_limited\"} 3\n"), "{scrape}");
}
