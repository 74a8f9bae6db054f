//! A daemon whose issuers are a test's, and how to ask it.

use serde_json::{Value, json};

use super::support::daemon::Daemon;
use super::support::deployment;
use super::support::eventually::{PATIENCE, eventually};
use super::support::http::{self, Answer};
use super::tokens::AUDIENCE;

/// Everything but issuers: `tests` may ask for nothing itself.
pub(crate) fn config(issuers: &str) -> String {
    format!(
        r#"livekit.url = "wss://livekit.example.com"
        {}
        [[profile]]
        name = "participant"
        allowed_room_config = true
        video = {{ roomJoin = true, canPublish = false }}
        [[profile]]
        name = "moderator"
        ttl = "5m"
        video = {{ roomJoin = true, roomAdmin = true }}
        [[profile]]
        name = "lobby"
        video = {{ roomJoin = true, room = "lobby" }}
        [[caller]]
        name = "tests"
        uid = {}
        {issuers}"#,
        deployment::ALONE,
        rustix::process::getuid().as_raw()
    )
}

/// Rules that most tests need: staff may join the room that they ask for.
pub(crate) const RULES: &str = r#"
    [[issuer.rule]]
    when = "'staff' in claims.groups"
    name = "claims.name"
    room = "has(request.room) ? request.room : 'web-1'"
    attributes = { plan = "claims.plan" }
    profile = "participant"
"#;

/// An issuer of that name and URL, with more settings and rules.
pub(crate) fn issuer(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[issuer]]\nname = \"{name}\"\nurl = \"{url}\"\naudience = [\"{AUDIENCE}\", \"other\"]\n{more}\n"
    )
}

/// A daemon that can sign.
pub(crate) fn start(issuers: &str) -> Daemon {
    let mut daemon = Daemon::start(&config(issuers));
    daemon.init("default");
    daemon.wait_until_ready();
    daemon
}

/// Waits until an issuer's keys were read.
pub(crate) fn wait_for_keys(daemon: &Daemon, issuer: &str) {
    let series = format!("livekit_keyd_issuer_key_reads_total{{issuer=\"{issuer}\",result=\"ok\"}}");
    eventually(PATIENCE, "the issuer's keys are read", || {
        daemon.telemetry("/metrics").contains(&format!("{series} 1"))
    });
}

/// `POST /token` with a bearer token.
pub(crate) fn endpoint(daemon: &Daemon, bearer: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {bearer}");
    let body = body.to_string();
    let request = http::request("POST", "/token", &[("authorization", &bearer)], body.as_bytes());
    daemon.sign().send(&request).expect("it answers")
}

/// `POST /v1/token-exchange` with a subject token and more parameters.
pub(crate) fn exchange(daemon: &Daemon, subject_token: &str, more: &[(&str, &str)]) -> Answer {
    let parameters = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("subject_token", subject_token),
    ];
    form(daemon, &[&parameters, more].concat())
}

/// `POST /v1/token-exchange` with any parameters.
pub(crate) fn form(daemon: &Daemon, parameters: &[(&str, &str)]) -> Answer {
    let body: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let request = http::request("POST", "/v1/token-exchange", &kind, body.join("&").as_bytes());
    daemon.sign().send(&request).expect("it answers")
}

fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// What the daemon says of a LiveKit token that it made.
pub(crate) fn claims_of(daemon: &Daemon, token: &str) -> Value {
    let (status, verdict) = daemon.sign().post("/v1/tokens/verify", &json!({"token": token}));
    assert_eq!((status, &verdict["active"]), (200, &json!(true)), "{verdict}");
    verdict["claims"].clone()
}
