//! Each bad request: its status, its type, the place of the mistake, and a sentence that says what to do.

use serde_json::{Value, json};

use super::harness::Harness;
use crate::support::http::{self, Answer};

struct Bad {
    body: Vec<u8>,
    status: u16,
    kind: &'static str,
    pointer: &'static str,
    says: &'static str,
}

fn bad(body: &str, status: u16, kind: &'static str, pointer: &'static str, says: &'static str) -> Bad {
    Bad { body: body.into(), status, kind, pointer, says }
}

fn post(harness: &Harness, path: &str, body: &[u8]) -> Answer {
    harness.socket().send(&http::request("POST", path, &[], body)).expect("an answer")
}

/// Everything that a client may rely on in a refusal.
fn assert_problem(what: &str, answer: &Answer, status: u16, kind: &str, pointer: &str, says: &str) {
    let problem = answer.json();
    assert_eq!(answer.status, status, "{what}: {problem}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(problem["type"], format!("urn:livekit-keyd:problem:{kind}"), "{what}: {problem}");
    assert_eq!(problem["status"], status, "{what}: {problem}");
    assert_eq!(problem["pointer"].as_str().unwrap_or_default(), pointer, "{what}: {problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says), "{what}: {detail:?} does not say {says:?}");
}

#[test]
fn of_a_token() {
    let harness = Harness::new();
    let long = format!(r#"{{"identity":"{}","room":"demo","profile":"viewer"}}"#, "a".repeat(257));
    let deep = format!(r#"{{"room_config":{}1{}}}"#, r#"{"a":"#.repeat(1000), "}".repeat(1000));
    let m = "malformed";
    let ttl = |ttl: &str| format!(r#"{{"identity":"a","room":"demo","profile":"viewer","ttl":{ttl}}}"#);
    let all = [
        bad("", 400, m, "", "the body is empty"),
        bad("   ", 400, m, "", "the body is empty"),
        bad("{\"identity\":", 400, m, "", "no JSON"),
        bad("[]", 400, m, "", "expected"),
        bad("null", 400, m, "", "expected"),
        bad("{} {}", 400, m, "", "one object"),
        bad(&deep, 400, m, "", "recursion limit"),
        Bad { body: b"{\"identity\":\"\xff\xfe\"}".to_vec(), ..bad("", 400, m, "", "no UTF-8 text") },
        bad(r#"{"idenity":"a"}"#, 400, m, "/idenity", "did you mean `identity`?"),
        bad(r#"{"grants":{"video":{"canPublsh":true}}}"#, 400, m, "/grants/video/canPublsh", "`canPublish`"),
        bad(
            r#"{"grants":{"video":{"canAdminParticipants":true}}}"#,
            400,
            m,
            "/grants/video/canAdminParticipants",
            "a moderator gets `roomAdmin`",
        ),
        bad(r#"{"grants":{"video":{"roomJoin":"yes"}}}"#, 400, m, "/grants/video/roomJoin", "boolean"),
        bad(r#"{"identity":"","room":"demo"}"#, 400, m, "/identity", "is empty"),
        bad(&long, 400, m, "/identity", "257 bytes"),
        bad(r#"{"identity":"a\u0000b","room":"demo"}"#, 400, m, "/identity", "U+0000"),
        bad(r#"{"room":"demo","grants":{"video":{"room":"demo2"}}}"#, 400, m, "/room", "name one room"),
        bad(&ttl("0"), 400, m, "/ttl", "at least one second"),
        bad(&ttl("-1"), 400, m, "/ttl", "at least one second"),
        bad(&ttl("1.5"), 400, m, "/ttl", "no fraction"),
        bad(&ttl("\"1y\""), 400, m, "/ttl", "15m"),
        bad(&ttl("NaN"), 400, m, "", "no JSON"),
        bad(&ttl("\"NaN\""), 400, m, "/ttl", "15m"),
        bad(r#"{"identity":"a","profile":"viewer"}"#, 422, "not-a-livekit-token", "/room", "needs a `room`"),
        bad(
            r#"{"room":"demo","profile":"viewer"}"#,
            422,
            "not-a-livekit-token",
            "/identity",
            "needs an `identity`",
        ),
        bad(
            r#"{"identity":"a","room":"demo","profile":"admin"}"#,
            403,
            "denied:profiles",
            "/profile",
            "it may use: host, viewer",
        ),
        bad(
            r#"{"identity":"a","room":"demo","grants":{"video":{"roomJoin":true}}}"#,
            403,
            "denied:allowed_grants",
            "/grants/video/roomJoin",
            "name a profile",
        ),
        bad(
            r#"{"identity":"a","room":"demo","profile":"viewer","grants":{"video":{"canPublish":true}}}"#,
            403,
            "denied:profile",
            "/grants/video/canPublish",
            "reaches further",
        ),
        bad(
            r#"{"identity":"a","room":"other","profile":"viewer"}"#,
            403,
            "denied:allowed_rooms",
            "/room",
            "`demo*`",
        ),
        bad(
            r#"{"identity":"a","room":"demo","profile":"viewer","room_config":{"name":"x"}}"#,
            403,
            "denied:allowed_room_config",
            "/room_config",
            "unless a profile",
        ),
    ];
    for Bad { body, status, kind, pointer, says } in &all {
        let what = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let answer = post(&harness, "/v1/tokens", body);
        assert_problem(&what, &answer, *status, kind, pointer, says);
    }
    let scrape = harness.scrape();
    let malformed = all.iter().filter(|bad| bad.status == 400).count();
    let line =
        format!("livekit_keyd_token_requests_total{{caller=\"app\",result=\"malformed\"}} {malformed}\n");
    assert!(scrape.contains(&line), "{line} is not in {scrape}");
    assert!(
        scrape.contains("livekit_keyd_policy_denied_total{caller=\"app\",rule=\"allowed_rooms\"} 1\n"),
        "{scrape}"
    );
    assert!(!scrape.contains("\"other\""), "a room's name became a label: {scrape}");
}

#[test]
fn of_a_batch() {
    let harness = Harness::new();
    let m = "malformed";
    let too_many = json!({"tokens": vec![json!({}); 10_001]}).to_string();
    for Bad { body, status, kind, pointer, says } in [
        bad("", 400, m, "", "the body is empty"),
        bad("{}", 400, m, "", "missing field `tokens`"),
        bad(r#"{"tokens":[]}"#, 400, m, "/tokens", "1 to 10000"),
        bad(&too_many, 400, m, "/tokens", "this one has 10001"),
        bad(r#"{"tokens":{}}"#, 400, m, "/tokens", "sequence"),
        bad(r#"{"token":[]}"#, 400, m, "/token", "did you mean `tokens`?"),
    ] {
        let what = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = post(&harness, "/v1/tokens/batch", &body);
        assert_problem(&what, &answer, status, kind, pointer, says);
    }
}

#[test]
fn one_bad_token_does_not_spoil_a_batch() {
    let harness = Harness::new();
    let good = json!({"identity": "a", "room": "demo", "profile": "viewer"});
    let (status, answer) = harness.socket().post(
        "/v1/tokens/batch",
        &json!({"tokens": [good, {"idenity": "a"}, {"identity": "a", "room": "x", "profile": "host"}, good]}),
    );
    assert_eq!(status, 200, "{answer}");
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    assert!(results[0]["token"].is_string() && results[3]["token"].is_string(), "{answer}");
    assert_eq!(results[1]["status"], 400);
    assert_eq!(results[1]["pointer"], "/tokens/1/idenity");
    assert_eq!(results[2]["status"], 403);
    assert_eq!(results[2]["pointer"], "/tokens/2/room");
}

#[test]
fn of_a_question_for_a_verdict() {
    let harness = Harness::new();
    let m = "malformed";
    for Bad { body, status, kind, pointer, says } in [
        bad("", 400, m, "", "the body is empty"),
        bad("{", 400, m, "", "no JSON"),
        bad("{}", 400, m, "", "missing field `token`"),
        bad(r#"{"token":7}"#, 400, m, "/token", "string"),
        bad(r#"{"tocken":"x"}"#, 400, m, "/tocken", "did you mean `token`?"),
    ] {
        let answer = post(&harness, "/v1/tokens/verify", &body);
        assert_problem(&String::from_utf8_lossy(&body), &answer, status, kind, pointer, says);
    }
}

#[test]
fn of_method_and_path() {
    let harness = Harness::new();
    let send = |method: &str, path: &str| {
        harness.socket().send(&http::request(method, path, &[], b"")).expect("an answer")
    };
    for path in ["/v1/tokens", "/v1/tokens/batch", "/v1/tokens/verify"] {
        let answer = send("GET", path);
        assert_problem(path, &answer, 405, "method", "", "POST");
        assert_eq!(answer.header("allow"), Some("POST"), "{path}");
    }
    for path in ["/v1/keys", "/healthz", "/readyz"] {
        let answer = send("DELETE", path);
        assert_problem(path, &answer, 405, "method", "", "GET");
        assert_eq!(answer.header("allow"), Some("GET"), "{path}");
    }
    for path in ["/", "/v1", "/v1/token", "/v1/tokens/", "/v2/tokens", "//v1/tokens", "/v1/../v1/tokens"] {
        assert_problem(path, &send("POST", path), 404, "not-found", "", "/v1/tokens");
    }
}

#[test]
fn without_a_caller_or_a_key() {
    let harness = Harness::bare(super::harness::limits());
    let good = json!({"identity": "a", "room": "demo", "profile": "viewer"}).to_string();
    let nobody = post(&harness, "/v1/tokens", good.as_bytes());
    assert_problem("no caller", &nobody, 403, "denied:no-caller", "", "no [[caller]] matches uid");

    let uid = rustix::process::getuid().as_raw();
    let own = livekit_keyd_core::policy::CallerMatch { uids: Some(vec![uid]), gids: None };
    harness.know(vec![harness.caller("app", own)]);
    for path in ["/v1/tokens", "/v1/tokens/verify"] {
        let body: &[u8] = if path == "/v1/tokens" { good.as_bytes() } else { br#"{"token":"x"}"# };
        let answer = post(&harness, path, body);
        assert_problem(path, &answer, 503, "no-usable-key", "", "has not been read");
    }
    let readiness = harness.socket().send(&http::request("GET", "/readyz", &[], b"")).expect("an answer");
    assert_eq!(readiness.status, 503);
    assert!(readiness.text().contains("default"), "{}", readiness.text());
    assert!(harness.socket().is_200("/healthz"));

    let mut revoked = super::harness::document();
    for key in revoked["keys"].as_array_mut().expect("keys") {
        key["compromised_at"] = Value::from("2026-02-01T00:00:00Z");
    }
    harness.offer(revoked);
    let answer = post(&harness, "/v1/tokens", good.as_bytes());
    assert_problem("all revoked", &answer, 503, "no-usable-key", "", "no usable key");
    let scrape = harness.scrape();
    assert!(
        scrape.contains("livekit_keyd_token_requests_total{caller=\"app\",result=\"unavailable\"} 2\n"),
        "{scrape}"
    );
}
