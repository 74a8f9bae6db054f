//! Which events there are, and what they say.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use livekit_keyd_core::audit::Hash;
use serde_json::{Value, json};

use super::harness::{self, FILE, daemon, minted, show, webhook, with_another_signature};
use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, eventually};
use super::support::{deployment, forged, http, trail};

fn hash(token: &str) -> Value {
    json!(Hash::of(token.as_bytes()).to_string())
}

/// Outcome, reason and token of each event of an action.
fn told(daemon: &Daemon, action: &str, count: usize) -> Vec<[Value; 3]> {
    let all = trail::events_of(daemon, action, count);
    let told = |event: &Value| {
        ["event.outcome", "event.reason", "livekit_keyd.token.sha256"].map(|field| event[field].clone())
    };
    all.iter().map(told).collect()
}

#[test]
fn a_token_is_known_by_its_hash_and_a_name_forges_no_line() {
    let daemon = daemon(FILE);
    let token = minted(&daemon);
    let key = deployment::active(&daemon).expect("an active key");
    let body = json!({"identity": "a\n{\"event.sequence\":1", "room": "r\nforged"}).to_string();
    let unnamed = http::request("POST", "/v1/tokens", &[], body.as_bytes());
    let unnamed = daemon.sign().send(&unnamed).expect("an answer");
    let made = unnamed.header("x-request-id").expect("an id is made").to_owned();
    let path = format!("/v1/keysets/apps/keys/{key}/revoke");
    daemon.admin().post(&path, &json!({"reason": "leaked", "now": true}));

    let issued = trail::events_of(&daemon, "token-issue", 2);
    assert_eq!(issued[0]["event.outcome"], "success");
    assert_eq!(issued[0]["livekit_keyd.token.sha256"], hash(&token));
    assert_eq!(issued[0]["livekit_keyd.grants"], json!(["video.roomJoin"]));
    assert_eq!(issued[0]["livekit_keyd.key.id"], key.as_str());
    assert_eq!(
        (&issued[1]["event.outcome"], &issued[1]["http.request.id"]),
        (&json!("failure"), &json!(made)),
        "the event of an unnamed request"
    );
    // A command that is refused: this daemon watches no nodes.
    let (status, refused) = daemon.admin().post("/v1/nodes/n1/forget", &json!({"reason": "gone"}));
    assert_eq!(
        (status, &refused["type"]),
        (409, &json!("urn:livekit-keyd:problem:state-forbids")),
        "{refused}"
    );
    let commands = trail::events_of(&daemon, "operator-command", 3);
    let of = |path: &str| {
        let found = commands.iter().find(|event| event["rule.name"] == path);
        found.map(|event| (event["event.outcome"].clone(), event["event.reason"].clone()))
    };
    assert_eq!(of(&path), Some((json!("success"), json!("202"))));
    assert_eq!(of("/v1/nodes/n1/forget"), Some((json!("failure"), json!("409"))));
    for reason in ["initialised", "committed", "compromised"] {
        eventually(PATIENCE, reason, || {
            trail::events_of(&daemon, "key-change", 1).iter().any(|event| event["event.reason"] == reason)
        });
    }
    let first = &trail::events_of(&daemon, "key-change", 1)[0];
    assert_eq!(
        (&first["event.reason"], &first["livekit_keyd.document.seq"]),
        (&json!("initialised"), &json!(1))
    );
    let (whole, said) = trail::verify(&[], &[&trail::file(&daemon)]);
    assert!(whole, "{said}");
    let status = daemon.admin().get("/v1/status").1;
    assert_eq!(status["audit"]["head"].as_str().map(str::len), Some(64), "{status}");
}

#[test]
fn whatever_is_shown_is_an_event_good_or_not() {
    let daemon = daemon(FILE);
    let token = minted(&daemon);
    for shown in [&token, &with_another_signature(&token), "no token"] {
        show(&daemon, shown);
    }
    daemon.sign().post("/v1/tokens/verify", &json!({}));
    let (good, failed) = (json!("success"), json!("failure"));
    assert_eq!(
        told(&daemon, "token-verify", 4),
        [
            [good.clone(), Value::Null, hash(&token)],
            [failed.clone(), json!("wrong-signature"), hash(&with_another_signature(&token))],
            [failed.clone(), json!("not-a-jwt"), Value::Null],
            [failed.clone(), json!("malformed"), Value::Null],
        ]
    );

    let key = deployment::active(&daemon).expect("an active key");
    let secret = deployment::keys(&daemon)[&key].clone();
    let body = br#"{"event": "room_started"}"#;
    let now = forged::now();
    let sha256 = STANDARD.encode(digest::digest(&digest::SHA256, body));
    let claims = json!({"iss": key, "nbf": now, "exp": now + 300, "sha256": sha256});
    let sent = forged::sign(&secret, &claims);
    let statuses = [
        webhook(&daemon, &sent, "first", body).status,
        webhook(&daemon, &sent, "again", body).status,
        webhook(&daemon, &sent, "changed", b"{}").status,
        webhook(&daemon, "no token", "none", body).status,
    ];
    assert_eq!(statuses, [200, 401, 401, 401]);
    assert_eq!(
        told(&daemon, "webhook-verify", 4),
        [
            [good, Value::Null, hash(&sent)],
            [failed.clone(), json!("webhook-replayed"), hash(&sent)],
            [failed.clone(), json!("webhook-refused"), hash(&sent)],
            [failed, json!("webhook-refused"), Value::Null],
        ]
    );
    let ids: Vec<_> = trail::events_of(&daemon, "webhook-verify", 4)
        .iter()
        .map(|one| one["http.request.id"].clone())
        .collect();
    assert_eq!(ids, ["first", "again", "changed", "none"]);
    // What is good is no reason to be alarmed.
    let alarms = trail::events_of(&daemon, "suspicious", 1);
    assert_eq!(alarms.len(), 1, "{alarms:#?}");
}

#[test]
fn who_is_nobody_is_written_down_with_what_was_asked_for() {
    let own = format!("uid = {}", rustix::process::getuid().as_raw());
    let daemon = harness::start(Daemon::new(&harness::config(FILE).replace(&own, "uid = 4242")));
    for (method, path, action) in [
        ("POST", "/v1/tokens", "token-issue"),
        ("POST", "/v1/tokens/batch", "token-issue"),
        ("POST", "/v1/tokens/verify", "token-verify"),
        ("POST", "/v1/webhooks/verify", "webhook-verify"),
        ("POST", "/v1/tokens/refresh", "token-refresh"),
        ("POST", "/v1/token-exchange", "token-exchange"),
        ("POST", "/token", "token-exchange"),
        ("GET", "/v1/keys", "key-list"),
    ] {
        let request = http::request(method, path, &[("x-request-id", path)], b"");
        assert_eq!(daemon.sign().send(&request).expect("an answer").status, 403, "{path}");
        let event = trail::event_of_request(&daemon, action, path);
        assert_eq!(event["event.reason"], "denied:no-caller", "{path}");
    }
}
