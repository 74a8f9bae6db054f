//! compromise.md

use std::collections::BTreeMap;

use serde_json::Value;

use super::block::Id;
use super::site::Site;
use super::support::deployment;
use super::support::forged::forge;

const ONE: Id<'_> = Id("compromise.md", "", "Take one key out of use.");
const ALL: Id<'_> = Id("compromise.md", "", "Take every key out of use.");
const RESTART: Id<'_> = Id("compromise.md", "", "Restart the nodes and wait until each has the new keys.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 3] = [ONE, ALL, RESTART];

/// Whether each node refuses each of these keys.
fn refused(site: &Site, keys: &BTreeMap<String, String>) -> bool {
    let verdicts = |(id, secret): (&String, &String)| site.fleet.cluster.verdicts(&forge(id, secret));
    keys.iter().flat_map(verdicts).all(|status| status == Some(401))
}

#[test]
fn a_key_and_then_the_whole_file_without_a_rotator_that_restarts() {
    let site = Site::new(2);
    site.open(|daemon| {
        let mut operator = site.operator(daemon, &BLOCKS);
        let bad = deployment::active(daemon).expect("a key signs");
        let secret = deployment::keys_in(&site.fleet.key_file())[&bad].clone();
        let keys = BTreeMap::from([(bad.clone(), secret)]);
        assert!(!refused(&site, &keys), "the thief can join");
        operator.set("KEY", &bad);
        operator.run(ONE);
        assert_ne!(deployment::mint(daemon).1["key_id"], bad.as_str(), "another key signs at once");
        operator.run(RESTART);
        assert!(refused(&site, &keys), "no node takes the thief's tokens");
        let gone = |id: &str| {
            let keyset = deployment::keyset(daemon);
            let keys = keyset["keys"].as_array().expect("keys").clone();
            let key = keys.into_iter().find(|key| key["id"] == id).expect("it is known for ever");
            key["compromised"] == true && key["erased_at"] != Value::Null
        };
        assert!(gone(&bad), "it is compromised and erased");

        let mut keys = deployment::keys_in(&site.fleet.key_file());
        keys.remove("APIfirst");
        operator.run(ALL);
        assert_eq!(deployment::mint(daemon).0, 503, "nothing signs");
        operator.run(RESTART);
        assert!(refused(&site, &keys), "no node takes any of them");
        assert!(keys.keys().all(|id| gone(id)));
        let (status, minted) = deployment::mint(daemon);
        assert_eq!(status, 201, "{minted}");
        let verdicts = site.fleet.cluster.verdicts(minted["token"].as_str().expect("a token"));
        assert_eq!(verdicts, [Some(200), Some(200)]);
    });
}
