//! rotation.md

use std::fs;

use serde_json::json;

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::stores::FILES;

const DUE: Id<'_> = Id("rotation.md", "RotationBlocked", "What is due, and what it waits for.");
const RELEASE: Id<'_> =
    Id("rotation.md", "RotationBlocked", "Release a hold of the keyset, or of its adopted key.");
const ROLE: Id<'_> =
    Id("rotation.md", "LivekitKeydRotationOverdue", "The role, the next firing, and the conditions.");
const ROTATE: Id<'_> = Id("rotation.md", "RotationMissed", "Rotate now, beside the schedule.");
const STANDBYS: Id<'_> =
    Id("rotation.md", "StandbyLost", "Two standbys stand by again, and the nodes know them.");
const HAVE_IT_READ: Id<'_> =
    Id("rotation.md", "RulesDiffer", "See that the file is right, and have it read.");

/// What these tests run.
pub(crate) const BLOCKS: [Id<'_>; 6] = [DUE, RELEASE, ROLE, ROTATE, STANDBYS, HAVE_IT_READ];

fn start(rules: &str) -> Daemon {
    let daemon = Daemon::start(&deployment::config_on(FILES, "both", &format!("{rules}\n{QUICK_RULES}")));
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    daemon
}

#[test]
fn a_rotation_that_a_hold_blocks_until_it_is_missed() {
    let daemon = start("rotation_period = \"3s\"\nrotation_window = \"2s\"");
    let (status, held) = daemon.admin().post("/v1/keysets/apps/hold", &json!({"until": "1h"}));
    assert!((200..300).contains(&status), "{held}");
    let operator = Operator::at(&daemon, &[DUE, RELEASE, ROLE, ROTATE]);
    operator.sees("RotationBlocked", "waits");
    assert!(operator.run(DUE).contains("hold"), "the plan says what it waits for");
    assert!(operator.run(ROLE).contains("RotationBlocked"), "so does the status");
    daemon.wait_for_log("RotationMissed");
    let before = deployment::active(&daemon);
    operator.run(RELEASE);
    operator.run(ROTATE);
    for kind in ["RotationBlocked", "RotationMissed"] {
        operator.sees_no_more(kind);
    }
    assert_ne!(deployment::active(&daemon), before, "another key signs");
}

#[test]
fn a_standby_whose_secret_is_deleted() {
    let daemon = start("");
    let standbys = daemon.folder().join("store/livekit/apps/standby");
    let lost = standbys.join(format!("{}.json", deployment::standby(&daemon)));
    fs::remove_file(&lost).expect("it is lost");
    daemon.admin().post("/v1/refresh", &json!({}));
    daemon.wait_for_log("StandbyLost");
    let operator = Operator::at(&daemon, &[STANDBYS]);
    operator.run(STANDBYS);
    operator.sees_no_more("StandbyLost");
    assert!(!lost.exists(), "the lost one is given up");
}

#[test]
fn rules_that_are_not_the_document_s() {
    let rules = |period: &str| format!("rotation_period = \"{period}\"\n{QUICK_RULES}");
    let config = |revision: u32, period: &str| {
        format!("config_revision = {revision}\n{}", deployment::config_on(FILES, "both", &rules(period)))
    };
    let daemon = Daemon::start(&config(1, "1000h"));
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    daemon.write_config(&config(1, "2000h"));
    let operator = Operator::at(&daemon, &[HAVE_IT_READ]);
    operator.run(HAVE_IT_READ);
    operator.sees("RulesDiffer", "");
    daemon.write_config(&config(2, "2000h"));
    operator.run(HAVE_IT_READ);
    operator.sees_no_more("RulesDiffer");
}
