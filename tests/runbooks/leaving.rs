//! leaving.md

use serde_json::{Value, json};

use super::block::Id;
use super::operator::Operator;
use super::support::deployment::{self, QUICK_RULES};
use super::support::forged::forge;
use super::support::livekit::LiveKit;
use super::support::openbao::OpenBao;

const FREEZE: Id<'_> = Id("leaving.md", "", "No key is changed, taken out or erased for thirty days.");
const KEEP: Id<'_> = Id("leaving.md", "", "A copy that nobody will change; it holds secrets.");
const OWN: Id<'_> = Id("leaving.md", "", "A key pair of your own, in the kept file.");
const DESTROY: Id<'_> = Id("leaving.md", "", "Destroy the keyset's document, and what lies beside it.");
const DESTROY_ALL: Id<'_> =
    Id("leaving.md", "", "Destroy the deployment's copy of the keys, and what is known of restarts.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 5] = [FREEZE, KEEP, OWN, DESTROY, DESTROY_ALL];

#[test]
fn applications_sign_by_themselves_again_and_nothing_is_left() {
    let bao = OpenBao::start();
    let rules = format!("publish_client = true\n{QUICK_RULES}");
    let mut daemon = deployment::start(&bao, "both", &rules);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let key_file = deployment::key_file(&daemon);
    let mut livekit = LiveKit::start(&key_file);
    let operator = Operator::at(&daemon, &BLOCKS).with_store(&bao);

    operator.run(FREEZE);
    let (status, refused) = daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert!(status >= 400, "frozen: {refused}");
    operator.run(KEEP);
    let id = operator.run(OWN).trim().to_owned();
    let kept = key_file.with_extension("yaml.kept");
    let own = forge(&id, &deployment::keys_in(&kept)[&id]);
    assert!(!livekit.accepts(&own), "the new key is in the kept file alone");
    let accepts_ours = |livekit: &LiveKit| {
        let (status, minted) = deployment::mint(&daemon);
        status == 201 && livekit.accepts(minted["token"].as_str().expect("a token"))
    };
    assert!(accepts_ours(&livekit));
    livekit.set_key_file(&kept);
    livekit.restart();
    assert!(livekit.accepts(&own) && accepts_ours(&livekit), "the daemon's tokens go on to be accepted");

    // Instead of systemd's word.
    daemon.terminate();
    let secrets = deployment::keys(&daemon);
    let in_store = |what: &str| deployment::all_versions(&bao).contains(what);
    assert!(secrets.values().all(|secret| in_store(secret)), "a search that finds nothing proves nothing");
    operator.run(DESTROY);
    operator.run(DESTROY_ALL);
    assert_eq!(deployment::all_versions(&bao), "", "no version of any path is left");
    let left = bao.call("LIST", "secret/metadata/livekit", &Value::Null);
    assert_eq!(left.status, 404, "{}", left.text());
    assert!(livekit.accepts(&own));
}
