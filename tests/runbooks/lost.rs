//! store-lost.md

use serde_json::Value;

use super::block::Id;
use super::operator::Operator;
use super::site::write_key_file;
use super::support::deployment::{self, RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::livekit::LiveKit;
use super::support::openbao::OpenBao;

const WHICH_SIGNS: Id<'_> =
    Id("store-lost.md", "", "The key that signs now, from a process that still knows.");
const POLICIES: Id<'_> = Id("store-lost.md", "", "Write the policies and roles, with an account that may.");
const REBUILD: Id<'_> = Id("store-lost.md", "", "Rebuild the keyset from the key file.");
const RELEASE: Id<'_> = Id("store-lost.md", "", "Let the adopted key be rotated away like any other.");
const FOREIGN: Id<'_> = Id("publications.md", "ForeignKeys", "Published ids without a document.");
const TAKE_OUT: Id<'_> = Id("publications.md", "ForeignKeys", "Take one foreign id out of the key file.");
const IN_THE_STORE: Id<'_> = Id("publications.md", "ForeignKeys", "Take it out of the store's copy too.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 7] =
    [WHICH_SIGNS, POLICIES, REBUILD, RELEASE, FOREIGN, TAKE_OUT, IN_THE_STORE];

#[test]
fn a_keyset_is_rebuilt_from_what_livekit_reads_and_no_token_is_refused() {
    let mut bao = OpenBao::start();
    let folder = tempfile::tempdir().expect("a folder");
    let key_file = folder.path().join("keys.yaml");
    write_key_file(&key_file, "APIfirst: a-secret-that-nobody-signs-with-at-all\n");
    let mut livekit = LiveKit::start(&key_file);
    let asking =
        format!("nodes = [\"{}\"]\nprobe_interval = \"200ms\"\nprobe_timeout = \"200ms\"", livekit.url());
    let rules = RULES.replace("overlap = \"5s\"", "overlap = \"60s\"");
    let config = deployment::config(&bao, "both", &format!("rotation_period = \"1000h\"\n{rules}"))
        .replace("proof = \"disabled\"", &asking)
        .replace("{dir}/keys.yaml", key_file.to_str().expect("text"));
    let mut daemon = deployment::with_token(&bao, &config);
    daemon.start_again();
    daemon.init("apps");
    eventually(PATIENCE, "its keys are published", || deployment::keys_in(&key_file).len() == 4);
    livekit.restart();
    deployment::wait_until_steady(&daemon);
    let signing = deployment::active(&daemon).expect("a key signs");
    let before = deployment::keys_in(&key_file);

    bao.lose_all();
    let mut operator = Operator::at(&daemon, &BLOCKS).with_store(&bao);
    operator.set_path("KEY_FILE", &key_file);
    operator.sees("StoreUnreadable", "missing: ");
    let signs = |livekit: &LiveKit| {
        let (status, minted) = deployment::mint(&daemon);
        assert_eq!(status, 201, "{minted}");
        assert!(livekit.accepts(minted["token"].as_str().expect("a token")), "no token is refused");
    };
    signs(&livekit);
    assert!(operator.run(WHICH_SIGNS).contains(&signing));
    operator.run(POLICIES);
    operator.set("KEY", &signing);
    operator.run(REBUILD);
    operator.sees_no_more("StoreUnreadable");
    signs(&livekit);
    eventually(PATIENCE, "new standbys are published", || deployment::keys_in(&key_file).len() == 6);
    livekit.restart();
    operator.run(RELEASE);
    operator.sees_no_more("PublicationAhead");
    assert_eq!(deployment::keyset(&daemon)["hold"], Value::Null);
    signs(&livekit);

    operator.sees("ForeignKeys", "");
    let listed = operator.run(FOREIGN);
    let foreign: Vec<_> = before.keys().filter(|id| **id != signing).map(String::as_str).collect();
    let mut told: Vec<_> = listed.lines().collect();
    told.sort_unstable();
    assert_eq!(told, foreign, "those that there were but for the key that signs");
    for id in foreign {
        operator.set("FOREIGN", id);
        operator.run(TAKE_OUT);
        operator.run(IN_THE_STORE);
    }
    operator.sees_no_more("ForeignKeys");
    assert!(!deployment::keys_in(&key_file).contains_key("APIfirst"));
    signs(&livekit);
}
