//! What policy answers, row by row of `cases.md`: by real processes of real users and groups over the socket of the
//! built daemon, and by `explain`, which must say the same.
#![expect(clippy::panic, reason = "a test's set-up that fails ends the test with its sentence")]

#[path = "../support/mod.rs"]
mod support;

mod process;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use livekit_keyd_core::verify::Unverified;
use serde_json::{Map, Value};

use process::Answer;
use support::daemon::Daemon;
use table::{Case, Expected};

const CASES: &str = include_str!("cases.md");
const CONFIG: &str = include_str!("keyd.toml");
const SHIPPED: &str = include_str!("../../config/access.toml");

/// Each rule that a denial may name, and what else decides on an answer.
const RULES: [&str; 11] = [
    "no-caller",
    "profiles",
    "allowed_grants",
    "profile",
    "kind",
    "allowed_room_config",
    "allowed_rooms",
    "allowed_identities",
    "keyset.allowed_grants",
    "rate-limited",
    "ttl",
];

/// The claims that a row shows, when a token has them; the others are not policy's.
const SHOWN: [&str; 11] = [
    "video",
    "sip",
    "agent",
    "agentEndpoint",
    "agentThread",
    "inference",
    "observability",
    "kind",
    "metadata",
    "attributes",
    "roomConfig",
];

fn daemon() -> Daemon {
    let from = SHIPPED.find("[[profile]]").expect("profiles are shipped");
    let to = SHIPPED.find("[[caller]]").expect("callers follow");
    let daemon = Daemon::start(&CONFIG.replace("{profiles}", &SHIPPED[from..to]));
    fs::set_permissions(daemon.folder(), fs::Permissions::from_mode(0o755)).expect("others reach the socket");
    daemon.init("default");
    daemon.init("narrow");
    daemon
}

/// What a token says, as far as policy decides on it, and whose caller it is.
fn told(answer: &Value, case: &Case) -> (String, Value) {
    let token = answer["token"].as_str().unwrap_or_else(|| panic!("{case}: {answer}"));
    let claims = Value::Object(Unverified::parse(token).expect("a token").claims);
    let caller = claims["livekit_keyd"]["caller"].as_str().expect("the private claim").to_owned();
    let mut shown = Map::new();
    for name in SHOWN {
        if let Some(claim) = claims.get(name) {
            shown.insert(name.to_owned(), claim.clone());
        }
    }
    if case.is_about_ttl() {
        let (from, to) = (claims["nbf"].as_i64(), claims["exp"].as_i64());
        shown.insert("ttl".to_owned(), (to.expect("exp") - from.expect("nbf")).into());
        if let Some(limit) = answer.get("ttl_limited_by") {
            shown.insert("limited".to_owned(), limit.clone());
        }
    }
    (caller, Value::Object(shown))
}

fn assert_answer(case: &Case, Answer { status, retry_after, body }: &Answer) {
    match &case.gets {
        Expected::Token { caller, says } => {
            assert_eq!(*status, 201, "{case}: {body}");
            assert_eq!(told(body, case), (caller.clone(), says.clone()), "{case}");
        }
        Expected::Refusal { status: wanted, pointer, says } => {
            assert_eq!(status, wanted, "{case}: {body}");
            let kind = body["type"].as_str().unwrap_or_default();
            let prefix = if *wanted == 403 { "denied:" } else { "" };
            assert_eq!(kind, format!("urn:livekit-keyd:problem:{prefix}{}", case.rule), "{case}: {body}");
            assert_eq!(body["pointer"].as_str().unwrap_or_default(), pointer, "{case}: {body}");
            let detail = body["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(says), "{case}: {detail}");
            assert_eq!(retry_after.is_some(), *wanted == 429, "{case}");
        }
    }
}

/// `explain` of the same request by a process of the same user and groups.
fn assert_explained(daemon: &Daemon, case: &Case) {
    let request = daemon.folder().join("request.json");
    fs::write(&request, &case.asks).expect("it is written");
    let config = daemon.config();
    let numbers: Vec<String> =
        case.who.gids().flat_map(|gid| ["--gid".to_owned(), gid.to_string()]).collect();
    let uid = case.who.uid.to_string();
    let mut arguments = vec!["explain", "--json", "--config", config.to_str().expect("text"), "--uid", &uid];
    arguments.extend(numbers.iter().map(String::as_str));
    arguments.extend(["--request", request.to_str().expect("text")]);
    let output = daemon.run(&arguments);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{case}: {output:?}"));
    let allowed = matches!(case.gets, Expected::Token { .. });
    assert_eq!(said["allowed"], allowed, "{case}: {said}");
    assert_eq!(output.status.code(), Some(i32::from(!allowed)), "{case}");
    match &case.gets {
        Expected::Token { caller, says } => {
            assert_eq!(said["caller"], *caller, "{case}");
            for group in &SHOWN[..7] {
                assert_eq!(said["grants"].get(group), says.get(group), "{case}: {said}");
            }
            if case.is_about_ttl() {
                assert_eq!(said["ttl"], says["ttl"], "{case}");
                assert_eq!(said["ttl_limited_by"], says["limited"], "{case}");
            }
        }
        Expected::Refusal { status, pointer, .. } => {
            assert_eq!(
                (&said["status"], &said["rule"]),
                (&Value::from(*status), &Value::from(case.rule.as_str()))
            );
            assert_eq!(said["pointer"].as_str().unwrap_or_default(), pointer, "{case}");
        }
    }
}

#[test]
fn every_row_is_answered_as_it_says() {
    assert!(rustix::process::getuid().is_root(), "this test starts processes of other users: run it as root");
    let mut daemon = daemon();
    daemon.wait_until_ready();
    let cases = table::read(CASES);
    assert!(cases.len() >= 60, "{} rows", cases.len());
    for case in &cases {
        let answer = process::ask(daemon.sign().path(), &case.who, &case.asks);
        assert_answer(case, &answer);
        if case.rule != "rate-limited" {
            assert_explained(&daemon, case);
        }
    }
    let metrics = daemon.telemetry("/metrics");
    assert!(metrics.contains("livekit_keyd_rate_limited_total{caller=\"slow\"} 1\n"), "{metrics}");
    let denied = metrics.lines().filter(|line| line.starts_with("livekit_keyd_policy_denied_total{"));
    for line in denied {
        let known = RULES.iter().any(|rule| line.contains(&format!("rule=\"{rule}\"")));
        assert!(known, "a rule without rows: {line}");
    }
}

#[test]
fn each_rule_has_a_row_that_is_allowed_and_one_that_is_not() {
    let mut seen: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for case in table::read(CASES) {
        let allowed = matches!(case.gets, Expected::Token { .. });
        seen.entry(case.rule).or_default().insert(allowed);
    }
    for rule in RULES.iter().filter(|rule| **rule != "ttl") {
        assert_eq!(seen.get(*rule), Some(&BTreeSet::from([false, true])), "{rule}");
    }
}
