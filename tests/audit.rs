//! The audit trail of a real daemon: killed under load, on a full disk, behind a sink that hangs.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use livekit_keyd_core::audit::Hash;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};

/// A daemon with a store of files, and this `[audit]`.
fn daemon(audit: &str) -> Daemon {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let config = deployment::config_on(store, "both", QUICK_RULES);
    let mut daemon = Daemon::new(&format!("{config}\n[audit]\n{audit}\n"));
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    daemon
}

fn trail(daemon: &Daemon) -> PathBuf {
    daemon.folder().join("audit.jsonl")
}

fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn keyd(arguments: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_livekit-keyd"));
    command.args(arguments).args(files).output().expect("the command runs")
}

#[test]
fn a_killed_daemon_loses_no_event_of_a_token_that_was_given_out_and_the_chain_goes_on() {
    let mut daemon = daemon("sink = \"file\"\npath = \"{dir}/audit.jsonl\"");
    let mut given_out = Vec::new();
    for _ in 0..3 {
        let stop = AtomicBool::new(false);
        let sign = daemon.sign();
        let tokens = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let body =
                            json!({"identity": "a", "room": "r", "grants": {"video": {"roomJoin": true}}});
                        let mut tokens = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let request = support::http::request(
                                "POST",
                                "/v1/tokens",
                                &[],
                                body.to_string().as_bytes(),
                            );
                            let Ok(answer) = sign.send(&request) else { break };
                            if answer.status == 201 {
                                tokens.push(answer.json()["token"].as_str().expect("a token").to_owned());
                            }
                        }
                        tokens
                    })
                })
                .collect();
            let path = trail(&daemon);
            let before = events(&path).len();
            eventually(PATIENCE, "some tokens are given out", || events(&path).len() > before + 50);
            daemon.kill();
            stop.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().expect("a client")).collect::<Vec<_>>()
        });
        given_out.extend(tokens);
        daemon.start_again();
        daemon.wait_until_ready();
    }
    daemon.terminate();
    assert!(given_out.len() > 100, "there was a load: {}", given_out.len());
    let text = fs::read_to_string(trail(&daemon)).expect("the trail");
    for token in &given_out {
        assert!(text.contains(&Hash::of(token.as_bytes()).to_string()), "a token's event is lost");
        assert!(!text.contains(token.as_str()), "no token is in the trail");
    }
    let verified = keyd(&["audit", "verify"], &[&trail(&daemon)]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("whole"), "{said}");
    assert_eq!(text.matches("\"event.action\":\"trail-resume\"").count(), 4, "each start is an event");

    // As a kill within a write leaves it.
    fs::write(trail(&daemon), format!("{text}{}", &text[..100])).expect("the trail");
    daemon.start_again();
    daemon.terminate();
    let verified = keyd(&["audit", "verify"], &[&trail(&daemon)]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && said.contains("a crash tore the line"), "{said}");
}

#[test]
fn a_full_disk_stops_tokens_or_not_as_it_is_configured() {
    for (on_failure, status) in [("refuse", 503), ("drop", 201)] {
        let daemon = daemon(&format!("sink = \"file\"\npath = \"/dev/full\"\non_failure = \"{on_failure}\""));
        let (answered, problem) = deployment::mint(&daemon);
        assert_eq!(answered, status, "{on_failure}: {problem}");
        if status == 503 {
            assert_eq!(problem["type"], "urn:livekit-keyd:problem:audit-refused");
        }
        let metrics = daemon.telemetry("/metrics");
        let given_out = u64::from(status == 201);
        for (metric, value) in [
            ("tokens_issued_total{caller=\"test\",keyset=\"apps\"}", given_out),
            ("token_requests_total{caller=\"test\",result=\"ok\"}", given_out),
            ("token_requests_total{caller=\"test\",result=\"unavailable\"}", 1 - given_out),
        ] {
            let line = format!("livekit_keyd_{metric} {value}");
            assert!(metrics.lines().any(|found| found == line), "{on_failure}: {line}");
        }
        let of_key = metrics.lines().filter(|line| line.starts_with("livekit_keyd_key_tokens_issued_total"));
        let of_key: u64 = of_key.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
        assert_eq!(of_key, given_out, "{on_failure}: tokens of its keys");
        assert!(!metrics.contains("audit_events_total{result=\"failed\"} 0"), "the loss is counted");
        let status = daemon.admin().get("/v1/status").1;
        assert_eq!(status["conditions"][0]["type"], "AuditFailing", "{status}");
    }
}

#[test]
fn a_sink_that_hangs_never_holds_a_request_beyond_its_limit() {
    for (on_failure, status) in [("refuse", 503), ("drop", 201)] {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let path = pipe.display();
        let daemon = daemon(&format!(
            "sink = \"file\"\npath = \"{path}\"\non_failure = \"{on_failure}\"\ntimeout = \"300ms\"\nqueue = 16"
        ));
        let mut answers = Vec::new();
        for _ in 0..400 {
            let began = Instant::now();
            answers.push(deployment::mint(&daemon).0);
            assert!(began.elapsed() < Duration::from_secs(5), "a request was held");
        }
        assert_eq!(answers[0], 201, "the pipe takes some");
        assert_eq!(answers.last(), Some(&status), "{on_failure}");
        let metrics = daemon.telemetry("/metrics");
        for result in ["late", "overflowed"] {
            let none = format!("audit_events_total{{result=\"{result}\"}} 0");
            assert!(!metrics.contains(&none), "{on_failure}: {result}");
        }
    }
}

#[test]
fn the_suspicious_is_seen_in_metric_trail_and_log() {
    let daemon = daemon("sink = \"file\"\npath = \"{dir}/audit.jsonl\"\nmax_size = 65536");
    let minted = deployment::mint(&daemon).1["token"].as_str().expect("a token").to_owned();
    let key = deployment::active(&daemon).expect("an active key");
    let (message, signature) = minted.rsplit_once('.').expect("a token");
    let forged = format!("{message}.{}", signature.chars().rev().collect::<String>());
    let show = |token: &str| daemon.sign().post("/v1/tokens/verify", &json!({"token": token}));
    show(&forged);
    show("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJBUElub2JvZHkifQ.c2lnbmF0dXJl");
    let webhook = support::http::request(
        "POST",
        "/v1/webhooks/verify",
        &[("authorization", &forged), ("x-request-id", "from outside")],
        b"{}",
    );
    let refused = daemon.sign().send(&webhook).expect("an answer");
    assert_eq!((refused.status, refused.header("x-request-id")), (401, Some("from outside")));
    for _ in 0..10 {
        daemon.sign().post("/v1/tokens", &json!({"identity": "a", "profile": "nobody's"}));
    }
    let body = json!({"identity": "a\n{\"event.sequence\":1"}).to_string();
    let request = support::http::request("POST", "/v1/tokens", &[], body.as_bytes());
    let unnamed = daemon.sign().send(&request).expect("an answer");
    let made = unnamed.header("x-request-id").expect("an id is made").to_owned();
    let path = format!("/v1/keysets/apps/keys/{key}/revoke");
    daemon.admin().post(&path, &json!({"reason": "leaked", "now": true}));
    eventually(PATIENCE, "the key is compromised here", || show(&minted).1["reason"] == "compromised-key");

    let metrics = daemon.telemetry("/metrics");
    for kind in ["wrong-signature", "unknown-key", "repeated-denials", "rights-of-others", "compromised-key"]
    {
        assert!(!metrics.contains(&format!("suspicious_total{{kind=\"{kind}\"}} 0")), "metric of {kind}");
        daemon.wait_for_log(kind);
        eventually(PATIENCE, kind, || {
            events(&trail(&daemon)).iter().any(|event| {
                event["event.action"] == "suspicious"
                    && event["event.reason"] == kind
                    && event["event.kind"] == "alert"
            })
        });
    }
    let all = events(&trail(&daemon));
    let has = |action: &str, reason: &str| {
        all.iter().any(|event| event["event.action"] == action && event["event.reason"] == reason)
    };
    assert!(has("key-change", "compromised") && has("key-change", "committed"), "key events");
    assert!(
        all.iter()
            .any(|event| event["event.action"] == "operator-command" && event["rule.name"] == path.as_str())
    );
    assert!(has("token-issue", "denied:profiles"), "denials");
    let event = all
        .iter()
        .find(|event| event["event.outcome"] == "success" && event["event.action"] == "token-issue");
    let event = event.expect("the token's event");
    assert_eq!(event["livekit_keyd.token.sha256"], Hash::of(minted.as_bytes()).to_string());
    assert_eq!(event["livekit_keyd.grants"], json!(["video.roomJoin"]));
    assert_eq!(event["livekit_keyd.key.id"], key.as_str());
    assert!(
        all.iter().any(|event| event["http.request.id"] == made.as_str()),
        "the event of an unnamed request"
    );
    let shown_as_webhook = |event: &&Value| event["http.request.id"] == "from outside";
    let shown_as_webhook = all.iter().find(shown_as_webhook).expect("the webhook's event");
    assert_eq!(shown_as_webhook["event.reason"], "wrong-signature");
    let verified = keyd(&["audit", "verify"], &[&trail(&daemon)]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let status = daemon.admin().get("/v1/status").1;
    assert_eq!(status["audit"]["head"].as_str().map(str::len), Some(64), "{status}");
}

#[test]
fn the_chain_goes_on_in_a_new_file() {
    let mut daemon = daemon("sink = \"file\"\npath = \"{dir}/audit.jsonl\"");
    deployment::mint(&daemon);
    let moved = daemon.folder().join("audit.jsonl.1");
    fs::rename(trail(&daemon), &moved).expect("as logrotate does");
    daemon.hang_up();
    eventually(PATIENCE, "a new file is begun", || {
        deployment::mint(&daemon);
        trail(&daemon).exists() && !events(&trail(&daemon)).is_empty()
    });
    let head = daemon.admin().get("/v1/status").1["audit"]["head"].as_str().expect("a head").to_owned();
    daemon.terminate();
    let both = keyd(&["audit", "verify", "--head", &head], &[&moved, &trail(&daemon)]);
    assert!(both.status.success(), "{}", String::from_utf8_lossy(&both.stdout));
    let cut = keyd(&["audit", "verify", "--head", &head], &[&moved]);
    assert_eq!(cut.status.code(), Some(1), "the end is missing");
}
