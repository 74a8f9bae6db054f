//! source.md

use serde_json::{Value, json};

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::openbao::OpenBao;

const WHAT_IS_THERE: Id<'_> =
    Id("source.md", "SourceUnreadable", "What the daemon sees there, and whether its policy allows it.");
const UNDELETE: Id<'_> = Id("source.md", "SourceUnreadable", "Bring back the last version that was deleted.");
const BOTH: Id<'_> =
    Id("source.md", "SourceRefused", "The source's key and the keyset's. No secret is shown.");
const GIVE_UP: Id<'_> =
    Id("source.md", "SourceRefused", "Give up the newer key, and sign with the one before.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 4] = [WHAT_IS_THERE, UNDELETE, BOTH, GIVE_UP];

/// What the owner of the source does.
fn put(bao: &OpenBao, id: &str) {
    let fields = json!({"api_key": id, "api_secret": format!("{id}-has-this-secret-and-no-other-one")});
    bao.succeed("POST", "secret/data/cloud/livekit", &json!({ "data": fields }));
}

/// Waits until tokens are of a key.
fn until_it_signs(daemon: &Daemon, id: &str) {
    daemon.admin().post("/v1/refresh", &json!({}));
    eventually(PATIENCE, &format!("{id} signs"), || deployment::mint(daemon).1["key_id"] == id);
}

#[test]
fn a_source_that_is_deleted_and_one_that_goes_back() {
    let bao = OpenBao::start();
    let rules = QUICK_RULES.replace("overlap = \"1300ms\"", "overlap = \"60s\"");
    let external = format!("mode = \"external\"\nsource = \"cloud/livekit\"\n{rules}");
    put(&bao, "APIone");
    let daemon = deployment::start(&bao, "both", &external);
    daemon.init("apps");
    until_it_signs(&daemon, "APIone");
    put(&bao, "APItwo");
    until_it_signs(&daemon, "APItwo");
    let mut operator = Operator::at(&daemon, &BLOCKS).with_store(&bao);

    bao.succeed("DELETE", "secret/data/cloud/livekit", &Value::Null);
    daemon.admin().post("/v1/refresh", &json!({}));
    operator.sees("SourceUnreadable", "deleted");
    assert!(operator.run(WHAT_IS_THERE).contains("deleted"));
    operator.set("VERSION", "2");
    operator.run(UNDELETE);
    operator.sees_no_more("SourceUnreadable");

    put(&bao, "APIone");
    daemon.admin().post("/v1/refresh", &json!({}));
    operator.sees("SourceRefused", "went back to APIone");
    assert!(operator.run(BOTH).contains("APItwo"));
    operator.set("KEY", "APItwo");
    operator.run(GIVE_UP);
    assert_eq!(deployment::mint(&daemon).1["key_id"], "APIone", "the key before signs at once");
    operator.sees_no_more("SourceRefused");
}
