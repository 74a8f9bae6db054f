//! signing.md

use std::fs;

use serde_json::json;

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::stores::FILES;

const WHY: Id<'_> = Id("signing.md", "LivekitKeydNoUsableKey", "Why nothing can be signed.");
const WAIT: Id<'_> = Id("signing.md", "LivekitKeydNoUsableKey", "Wait until a key is proven.");
const PROBE: Id<'_> =
    Id("signing.md", "LivekitKeydSigningErrors", "A token by the same way, and the reason if there is none.");
const EXPLAIN: Id<'_> =
    Id("signing.md", "LivekitKeydDenialsSpike", "What policy answers to this caller, and why.");
const ROOM: Id<'_> = Id("signing.md", "AuditFailing", "Room and rights where the trail lies.");
const DOES_IT_ANSWER: Id<'_> =
    Id("signing.md", "LivekitKeydTargetAbsent", "Does it answer, and what did it say last?");
const MISTAKES: Id<'_> =
    Id("signing.md", "LivekitKeydTargetAbsent", "Every mistake in the configuration at once.");

/// What these tests run.
pub(crate) const BLOCKS: [Id<'_>; 7] = [WHY, WAIT, PROBE, EXPLAIN, ROOM, DOES_IT_ANSWER, MISTAKES];

#[test]
fn no_key_is_proven_yet_and_then_a_caller_is_denied() {
    let slow = QUICK_RULES.replace("publish_delay = \"100ms\"", "publish_delay = \"3s\"");
    let config = deployment::config_on(FILES, "both", &slow);
    let daemon = Daemon::start(&config);
    let mut operator = Operator::at(&daemon, &[WHY, WAIT, PROBE, EXPLAIN]);
    operator.set("CALLER", "test");
    daemon.init("apps");
    assert!(!daemon.sign().is_200("/readyz"));
    assert!(operator.run(WHY).contains("prove"), "the plan waits for a proof");
    assert!(operator.run(PROBE).contains("livekit-keyd:"), "it says why there is none");
    operator.run(WAIT);
    eventually(PATIENCE, "/readyz gives 200", || daemon.sign().is_200("/readyz"));
    assert!(!operator.run(PROBE).contains("livekit-keyd:"), "a token was made");

    daemon.write_config(&config.replace("allowed_rooms = [\"*\"]", "allowed_rooms = [\"lobby\"]"));
    let (status, told) = daemon.admin().post("/v1/reload", &json!({}));
    assert!((200..300).contains(&status), "{told}");
    assert_eq!(deployment::mint(&daemon).0, 403);
    assert!(operator.run(EXPLAIN).contains("allowed_rooms"), "it names the rule");
}

#[test]
fn a_trail_that_cannot_be_written() {
    let audit = "\n[audit]\nsink = \"file\"\npath = \"{dir}/audit/trail.jsonl\"\n";
    let mut daemon = Daemon::new(&(deployment::config_on(FILES, "both", QUICK_RULES) + audit));
    let folder = daemon.folder().join("audit");
    fs::create_dir(&folder).expect("a folder");
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    let mut operator = Operator::at(&daemon, &[ROOM]);
    operator.set_path("AUDIT_FILE", &folder.join("trail.jsonl"));
    fs::rename(&folder, daemon.folder().join("gone")).expect("the folder goes");
    daemon.hang_up();
    eventually(PATIENCE, "tokens are refused", || deployment::mint(&daemon).0 == 503);
    operator.sees("AuditFailing", "");
    operator.run(ROOM);
    fs::rename(daemon.folder().join("gone"), &folder).expect("the folder is there again");
    eventually(PATIENCE, "tokens are given", || deployment::mint(&daemon).0 == 201);
    operator.sees_no_more("AuditFailing");
}

#[test]
fn a_daemon_that_does_not_answer() {
    let good = deployment::config_on(FILES, "both", QUICK_RULES);
    let mut daemon = Daemon::start(&good);
    let mut operator = Operator::at(&daemon, &[DOES_IT_ANSWER, MISTAKES]);
    operator.set("METRICS", daemon.metrics_address());
    daemon.kill();
    assert!(operator.run(DOES_IT_ANSWER).contains("curl:"), "nobody answers");
    operator.run(MISTAKES);
    daemon.start_again();
    assert!(operator.run(DOES_IT_ANSWER).contains("ok"), "it answers");
}
