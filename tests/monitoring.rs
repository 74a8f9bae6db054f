//! The alerts are what promtool takes, fire for their faults, and ask for metrics that a daemon has.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::cache;
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};

const RULES: &str = include_str!("../monitoring/alerts.yaml");
const RUNBOOKS: &str = include_str!("../docs/runbooks/README.md");

/// What the contract with operators names.
const ALERTS: [&str; 16] = [
    "NoUsableKey",
    "KeyEndsSoon",
    "RotationOverdue",
    "RotationBlocked",
    "NodeLacksKey",
    "RetiredKeyAccepted",
    "RetiredKeyUsed",
    "StoreUnreachable",
    "StoreLoginFailing",
    "PublishFailing",
    "SeqDiffers",
    "ClockSkew",
    "AuditFailing",
    "SigningErrors",
    "DenialsSpike",
    "TargetAbsent",
];

/// Whatever a daemon without nodes and without a login has at no time.
const ELSEWHERE: [&str; 4] =
    ["node_key_accepted", "clock_skew_seconds", "store_token_expiry_timestamp_seconds", "audit_events_total"];

fn promtool(arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let output = Command::new(cache::path("promtool")).args(arguments).current_dir(folder).output();
    let output = output.expect("promtool starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn values<'a>(key: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    RULES.lines().filter_map(move |line| line.trim().trim_start_matches("- ").strip_prefix(key))
}

#[test]
fn promtool_takes_the_rules_and_sees_each_fire() {
    promtool(&["check", "rules", "alerts.yaml"]);
    promtool(&["test", "rules", "alerts_test.yaml"]);
    let alerts: BTreeSet<_> = values("alert: ").filter_map(|name| name.strip_prefix("LivekitKeyd")).collect();
    assert_eq!(alerts, BTreeSet::from(ALERTS));
    let tested = include_str!("../monitoring/alerts_test.yaml");
    for alert in alerts {
        assert!(tested.contains(&format!("alertname: LivekitKeyd{alert}\n")), "{alert} is tested");
    }
    for key in ["severity: ", "summary: ", "runbook_url: docs/runbooks/"] {
        assert_eq!(values(key).count(), ALERTS.len(), "each alert has {key}");
    }
}

/// The names after the prefix that the rules ask for.
fn asked() -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    RULES.split("livekit_keyd_").skip(1).map(name).collect()
}

#[test]
fn a_daemon_has_what_the_rules_ask_for() {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let rules = QUICK_RULES.replace("publish_delay = \"100ms\"", "publish_delay = \"1s\"");
    let rules = format!("rotation_period = \"1h\"\n{rules}");
    let daemon = Daemon::start(&deployment::config_on(store, "both", &rules));
    let before = daemon.telemetry("/metrics");
    assert!(before.contains("livekit_keyd_keyset_usable{keyset=\"apps\"} 0\n"), "{before}");
    daemon.init("apps");
    let mut all = String::new();
    let mut scraped_until = |what: &str, series: &str| {
        eventually(PATIENCE, what, || {
            let scrape = daemon.telemetry("/metrics");
            let there = scrape.contains(series);
            all.push_str(&scrape);
            there
        });
    };
    scraped_until("the first key waits to be known", "livekit_keyd_rotation_blocked{");
    deployment::wait_until_steady(&daemon);
    scraped_until("a token can be signed", "livekit_keyd_keyset_usable{keyset=\"apps\"} 1\n");
    daemon.sign().post("/v1/tokens", &json!({"identity": "a", "profile": "nobody's"}));
    deployment::mint(&daemon);
    daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    scraped_until("the key before has an end", "livekit_keyd_key_not_after_timestamp_seconds{");
    let has = |name: &String| {
        all.contains(&format!("\nlivekit_keyd_{name}{{")) || all.contains(&format!("\nlivekit_keyd_{name} "))
    };
    let missing: BTreeSet<_> = asked().into_iter().filter(|name| !has(name)).collect();
    assert_eq!(missing, ELSEWHERE.map(str::to_owned).into(), "{all}");
    for name in ELSEWHERE {
        assert!(RUNBOOKS.contains(&format!("`{name}`")), "it is said when there is {name}");
    }
}
