//! store-restored.md

use serde_json::{Value, json};

use super::block::Id;
use super::operator::Operator;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::openbao::OpenBao;

const BEFORE: Id<'_> = Id("store-restored.md", "", "What was seen before, and what the store has now.");
const ACCEPT: Id<'_> = Id("store-restored.md", "", "Go on from the restored document.");
const WAIT: Id<'_> = Id("store-restored.md", "", "Until everything is where it should be.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 3] = [BEFORE, ACCEPT, WAIT];

#[test]
fn a_store_that_a_backup_brought_back() {
    let mut bao = OpenBao::start();
    let daemon = deployment::start(&bao, "both", QUICK_RULES);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let backup = bao.backup();
    let old = deployment::active(&daemon).expect("a key signs");
    let (status, rotated) = daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{rotated}");
    eventually(PATIENCE, "it has left what is published", || !deployment::keys(&daemon).contains_key(&old));
    // A request that is under way when a store is restored is carried out on what was restored.
    let waited = daemon.run(&["wait", "apps", "--for", "steady", "--timeout", "30s"]);
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));

    bao.restore(&backup);
    let operator = Operator::at(&daemon, &BLOCKS);
    operator.sees("StoreUnreadable", "went-back: ");
    let config = deployment::config(&bao, "rotator", QUICK_RULES);
    let key_file = deployment::key_file(&daemon).display().to_string();
    let mut other = deployment::with_token(&bao, &config.replace("{dir}/keys.yaml", &key_file));
    other.start_again();
    let beside = Operator::at(&other, &[]);
    beside.sees("PublicationAhead", "");
    operator.run(BEFORE);
    operator.run(ACCEPT);
    operator.run(WAIT);
    operator.sees_no_more("StoreUnreadable");
    other.admin().post("/v1/refresh", &json!({}));
    beside.sees_no_more("PublicationAhead");
    let active = deployment::active(&daemon).expect("a key signs");
    assert!(deployment::keys(&daemon).contains_key(&active), "LiveKit knows it");
    assert_eq!(deployment::mint(&daemon).0, 201);
    assert_ne!(deployment::keyset(&daemon)["seq"], Value::Null);
}
