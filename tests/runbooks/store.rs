//! store.md

use serde_json::json;

use super::block::Id;
use super::operator::Operator;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::openbao::OpenBao;

const INIT: Id<'_> = Id("store.md", "NotInitialized", "Create the document.");
const IS_IT_THERE: Id<'_> = Id("store.md", "StoreUnreadable", "Is it there, unsealed and active?");
const READ_IT: Id<'_> = Id("store.md", "StoreUnreadable", "Read the store now.");
const SETTINGS: Id<'_> = Id("store.md", "StoreUnprotected", "The settings of the keyset's path.");
const PROTECT: Id<'_> =
    Id("store.md", "StoreUnprotected", "Writes only by check-and-set, and versions that do not expire.");
const AGAIN: Id<'_> = Id("store.md", "StoreUnprotected", "Write the newest version again, without an end.");
const SEQ: Id<'_> = Id("store.md", "LivekitKeydSeqDiffers", "Its seq, and when the store answered last.");
const READ_IT_THERE: Id<'_> = Id("store.md", "LivekitKeydSeqDiffers", "Read the store now.");
const ACTIVE: Id<'_> =
    Id("rotation.md", "LivekitKeydKeyEndsSoon", "The active key, its end, and when the store answered last.");
const READ_FOR_A_KEY: Id<'_> = Id("rotation.md", "LivekitKeydKeyEndsSoon", "Read the store now.");
const CLOCK: Id<'_> = Id("signing.md", "LivekitKeydRetiredKeyUsed", "Its clock, and its view of the keys.");

/// What these tests run.
pub(crate) const BLOCKS: [Id<'_>; 11] =
    [INIT, IS_IT_THERE, READ_IT, SETTINGS, PROTECT, AGAIN, SEQ, READ_IT_THERE, ACTIVE, READ_FOR_A_KEY, CLOCK];

#[test]
fn a_keyset_without_a_document_then_a_store_that_is_gone() {
    let mut bao = OpenBao::start();
    let daemon = deployment::start(&bao, "both", QUICK_RULES);
    let operator = Operator::at(&daemon, &[INIT, IS_IT_THERE, READ_IT]).with_store(&bao);
    operator.sees("NotInitialized", "");
    operator.run(INIT);
    operator.sees_no_more("NotInitialized");
    eventually(PATIENCE, "it signs", || deployment::mint(&daemon).0 == 201);

    bao.stop();
    operator.sees("StoreUnreadable", "unreachable: ");
    operator.sees("DocumentUnreadable", "");
    let said = operator.run(IS_IT_THERE);
    assert!(said.contains("curl:"), "{said}");
    bao.start_again();
    operator.run(READ_IT);
    for kind in ["StoreUnreadable", "DocumentUnreadable"] {
        operator.sees_no_more(kind);
    }
    assert!(operator.run(IS_IT_THERE).contains("\"sealed\":false"));
    eventually(PATIENCE, "it signs again", || deployment::mint(&daemon).0 == 201);
}

#[test]
fn a_path_that_takes_blind_writes() {
    let bao = OpenBao::start();
    let mut daemon = deployment::start(&bao, "both", QUICK_RULES);
    daemon.init("apps");
    daemon.terminate();
    let unsafe_settings = json!({"cas_required": false, "delete_version_after": "1h"});
    bao.succeed("POST", "secret/metadata/livekit/apps", &unsafe_settings);
    daemon.start_again();
    let operator = Operator::at(&daemon, &[SETTINGS, PROTECT, AGAIN]).with_store(&bao);
    operator.sees("StoreUnprotected", "");
    let said = operator.run(SETTINGS);
    assert!(said.contains("cas_required") && said.contains("delete_version_after"), "{said}");
    operator.run(PROTECT);
    operator.run(AGAIN);
    operator.sees_no_more("StoreUnprotected");
    let blind = bao.call("POST", "secret/data/livekit/apps", &json!({"data": {}}));
    assert_eq!(blind.status, 400, "{}", blind.text());
}

#[test]
fn a_signer_that_hears_of_no_change_signs_on_with_the_key_before() {
    let bao = OpenBao::start();
    let seldom = QUICK_RULES
        .replace("refresh_interval = \"100ms\"", "refresh_interval = \"1h\"")
        .replace("overlap = \"1300ms\"", "overlap = \"3h\"");
    let rotator = deployment::start(&bao, "rotator", &seldom);
    rotator.init("apps");
    deployment::wait_until_steady(&rotator);
    let signer = deployment::start(&bao, "signer", &seldom);
    let seq = |daemon| deployment::keyset(daemon)["seq"].clone();
    eventually(PATIENCE, "the signer has read the document once", || seq(&signer) == seq(&rotator));
    let signs = || deployment::mint(&signer).1["key_id"].as_str().map(str::to_owned);
    let (status, rotated) = rotator.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{rotated}");
    eventually(PATIENCE, "another key is active", || deployment::active(&rotator) != signs());

    let operator = Operator::at(&signer, &[SEQ, READ_IT_THERE, ACTIVE, READ_FOR_A_KEY, CLOCK]);
    for look in [SEQ, ACTIVE, CLOCK] {
        let said = operator.run(look);
        assert!(said.contains("seq") || said.contains("active"), "{look:?}: {said}");
    }
    assert!(operator.run(ACTIVE).contains(&signs().expect("a key")));
    operator.run(READ_IT_THERE);
    eventually(PATIENCE, "both have the same", || seq(&signer) == seq(&rotator));
    operator.run(READ_FOR_A_KEY);
    eventually(PATIENCE, "both have the same key", || deployment::active(&rotator) == signs());
}
