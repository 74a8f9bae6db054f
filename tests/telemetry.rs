//! What Prometheus scrapes, judged by its own tool.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;
use support::deployment::{self, RULES};
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;

/// The metrics of docs/interfaces that belong to what is built so far.
const EXPECTED: [&str; 26] = [
    "build_info",
    "tokens_issued_total",
    "key_tokens_issued_total",
    "token_requests_total",
    "token_request_duration_seconds",
    "tokens_verified_total",
    "ttl_clamped_total",
    "policy_denied_total",
    "key_phase",
    "key_last_used_timestamp_seconds",
    "key_not_after_timestamp_seconds",
    "key_created_timestamp_seconds",
    "rotation_last_success_timestamp_seconds",
    "rotation_next_timestamp_seconds",
    "rotations_total",
    "rotation_blocked",
    "store_requests_total",
    "store_request_duration_seconds",
    "store_last_success_timestamp_seconds",
    "store_token_expiry_timestamp_seconds",
    "document_seq",
    "publish_total",
    "published_seq",
    "config_last_reload_successful",
    "config_last_reload_success_timestamp_seconds",
    "connections",
];

#[test]
fn promtool_finds_nothing_and_every_metric_is_there() {
    let bao = OpenBao::start();
    // A login that ends, so that its end can be told.
    let token = bao.succeed("POST", "auth/token/create", &json!({"ttl": "1h", "policies": ["root"]}));
    let daemon = deployment::start(&bao, "both", &format!("rotation_period = \"1h\"\n{RULES}"));
    let token = token["auth"]["client_token"].as_str().expect("a token");
    std::fs::write(daemon.folder().join("token"), token).expect("the token is written");
    let mut daemon = daemon;
    daemon.terminate();
    daemon.start_again();
    daemon.init("apps");
    eventually(PATIENCE, "a rotation is blocked for want of proof", || {
        daemon.telemetry("/metrics").contains("livekit_keyd_rotation_blocked{")
    });
    deployment::wait_until_steady(&daemon);
    daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    let minted = deployment::mint(&daemon).1;
    daemon.sign().post("/v1/tokens/verify", &json!({"token": minted["token"]}));
    let long = json!({"identity": "a", "room": "r", "ttl": "9h", "grants": {"video": {"roomJoin": true}}});
    daemon.sign().post("/v1/tokens", &long);
    daemon.sign().post("/v1/tokens", &json!({"identity": "a", "profile": "nobody's"}));
    let mut all = daemon.telemetry("/metrics");
    eventually(PATIENCE, "the key before has an end", || {
        let scrape = daemon.telemetry("/metrics");
        all.push_str(&scrape);
        scrape.contains("livekit_keyd_key_not_after_timestamp_seconds{")
    });

    let blocked = "livekit_keyd_rotation_blocked";
    for name in EXPECTED.iter().filter(|name| !blocked.ends_with(**name)) {
        let name = format!("livekit_keyd_{name}");
        assert!(all.lines().any(|line| line.starts_with(&format!("# TYPE {name} "))), "{name} is missing");
    }
    assert!(all.contains("process_resident_memory_bytes"));
    for word in ["alice", "demo"] {
        assert!(!all.contains(word), "no identity and no room in a metric: {word}");
    }
    promtool_accepts(&daemon.telemetry("/metrics"));
}

fn promtool_accepts(scrape: &str) {
    let mut promtool = Command::new(support::cache::path("promtool"));
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = promtool.spawn().expect("promtool starts");
    child.stdin.take().expect("its input").write_all(scrape.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("livekit_keyd")).collect();
    assert!(output.status.success() && ours.is_empty(), "promtool: {said}");
}

#[test]
fn health_never_depends_on_the_store_and_readiness_says_why() {
    let mut bao = OpenBao::start();
    let daemon = deployment::start(&bao, "both", RULES);
    let ready = daemon.telemetry("/readyz");
    assert!(ready.contains("not ready: apps"), "{ready}");
    daemon.init("apps");
    eventually(PATIENCE, "it is ready", || daemon.telemetry("/readyz") == "ready\n");
    bao.stop();
    eventually(PATIENCE, "the outage is listed", || {
        daemon.telemetry("/readyz?verbose").contains("degraded: StoreUnreadable (apps)")
    });
    assert_eq!(daemon.telemetry("/healthz"), "ok\n");
}
