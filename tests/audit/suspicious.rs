//! Each kind of the suspicious, provoked once, and seen in metric, trail and log.

use std::fs;

use livekit_keyd::audit::Suspicion;
use serde_json::json;

use super::harness::{self, FILE, minted, show, with_another_signature};
use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, eventually};
use super::support::{deployment, trail};

/// A publisher that fails while there is a file `{dir}/broken`: until it is there no retired key is erased.
const PUBLISHER: &str = "[[publish]]\nkind = \"command\"\nname = \"breakable\"\n\
    publish = [\"sh\", \"-c\", \"cat > /dev/null; test ! -e {dir}/broken\"]\n";

/// Does what makes one kind suspicious.
fn provoke(kind: Suspicion, daemon: &Daemon) {
    match kind {
        Suspicion::RetiredKey => {
            let token = minted(daemon);
            assert_eq!(daemon.admin().post("/v1/keysets/apps/rotate", &json!({})).0, 202);
            eventually(PATIENCE, "its key is retired", || show(daemon, &token)["reason"] == "retired-key");
        }
        Suspicion::CompromisedKey => {
            let token = minted(daemon);
            let key = deployment::active(daemon).expect("an active key");
            let path = format!("/v1/keysets/apps/keys/{key}/revoke");
            assert_eq!(daemon.admin().post(&path, &json!({"reason": "leaked", "now": true})).0, 202);
            assert_eq!(show(daemon, &token)["reason"], "compromised-key");
        }
        Suspicion::UnknownKey => {
            show(daemon, "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJBUElub2JvZHkifQ.c2lnbmF0dXJl");
        }
        Suspicion::WrongSignature => {
            let shown = harness::webhook(daemon, &with_another_signature(&minted(daemon)), "forged", b"{}");
            assert_eq!(shown.status, 401);
        }
        Suspicion::RepeatedDenials => {
            for _ in 0..10 {
                let grants = json!({"video": {"roomJoin": true, "roomAdmin": true}});
                let wide = json!({"identity": "a", "room": "r", "grants": grants});
                assert_eq!(daemon.sign().post("/v1/tokens", &wide).0, 403);
            }
        }
        Suspicion::RightsOfOthers => {
            let theirs = json!({"identity": "a", "profile": "nobody's"});
            assert_eq!(daemon.sign().post("/v1/tokens", &theirs).0, 403);
        }
    }
}

fn count(daemon: &Daemon, kind: &str) -> u64 {
    let series = format!("livekit_keyd_suspicious_total{{kind=\"{kind}\"}} ");
    let metrics = daemon.telemetry("/metrics");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {series}in {metrics}"))
}

#[test]
fn each_kind_is_seen_in_metric_trail_and_log() {
    let config =
        harness::config(FILE).replace("allowed_grants = [\"*\"]", "allowed_grants = [\"video.roomJoin\"]");
    let daemon = harness::start(Daemon::new(&format!("{config}\n{PUBLISHER}")));
    deployment::wait_until_steady(&daemon);
    fs::write(daemon.folder().join("broken"), "").expect("a file");
    let mut of_kind = Vec::new();
    for kind in Suspicion::ALL {
        let word = kind.as_str();
        assert_eq!(count(&daemon, word), 0, "{word}: the premise");
        provoke(kind, &daemon);
        assert!(count(&daemon, word) > 0, "{word}: the metric");
        daemon.wait_for_log(&format!("kind=\"{word}\""));
        eventually(PATIENCE, word, || {
            of_kind = trail::events_in(&trail::file(&daemon));
            of_kind.retain(|event| event["event.action"] == "suspicious" && event["event.reason"] == word);
            !of_kind.is_empty()
        });
        assert_eq!(of_kind[0]["event.kind"], "alert", "{word}: the event");
        assert_eq!(of_kind[0]["user.name"], "test", "{word}: who");
    }
}
