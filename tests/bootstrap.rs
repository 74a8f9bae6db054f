//! Two rotators that begin on an empty path at the same instant: one of them makes the keys.

mod support;

use std::collections::BTreeSet;
use std::sync::Barrier;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::Key;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;

fn document(bao: &OpenBao, path: &str) -> Document {
    let read = bao.succeed("GET", &format!("secret/data/{path}"), &Value::Null);
    let document: Document = serde_json::from_value(read["data"]["data"].clone()).expect("a document");
    document.check(&document.keyset).expect("a sound document");
    document
}

fn listed(bao: &OpenBao, folder: &str) -> BTreeSet<String> {
    let names = bao.call("LIST", &format!("secret/metadata/{folder}"), &Value::Null).json();
    let names = names["data"]["keys"].as_array().cloned().unwrap_or_default();
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn ids<'a>(keys: impl Iterator<Item = &'a Key>) -> BTreeSet<String> {
    keys.map(|key| key.id.to_string()).collect()
}

const STARTS: usize = 10;
const RACES: usize = 5;

/// A configuration of several keysets, none of which is there yet.
fn many(bao: &OpenBao, start: usize) -> String {
    let one = deployment::config(bao, "rotator", QUICK_RULES);
    let keysets = |text: &str| {
        (0..RACES).map(|race| text.replace("apps", &format!("k{start}-{race}"))).collect::<String>()
    };
    let (head, rest) = one.split_once("[[keyset]]").expect("a keyset");
    let (keyset, publish) = rest.split_once("[[publish]]").expect("a publication");
    format!("{head}{}[[publish]]{publish}", keysets(&format!("[[keyset]]{keyset}")))
}

#[test]
fn of_two_rotators_that_begin_at_once_one_makes_the_keys() {
    let bao = OpenBao::start();
    for start in 0..STARTS {
        let daemons = [(); 2].map(|()| {
            let mut daemon = Daemon::new(&many(&bao, start));
            std::fs::write(daemon.folder().join("token"), bao.token()).expect("the token is written");
            daemon.start_again();
            daemon
        });
        for race in 0..RACES {
            let keyset = format!("k{start}-{race}");
            let barrier = Barrier::new(2);
            let created: Vec<bool> = std::thread::scope(|scope| {
                let ask = |daemon: &Daemon| {
                    let admin = daemon.admin();
                    barrier.wait();
                    let (status, answer) = admin.post(&format!("/v1/keysets/{keyset}/init"), &json!({}));
                    assert!(status == 200 || status == 201, "{status} {answer}");
                    answer["created"] == true
                };
                let asked: Vec<_> = daemons.iter().map(|daemon| scope.spawn(move || ask(daemon))).collect();
                asked.into_iter().map(|asked| asked.join().expect("an answer")).collect()
            });
            assert_eq!(created.iter().filter(|created| **created).count(), 1, "{keyset}: {created:?}");
        }
        for race in 0..RACES {
            let path = format!("livekit/k{start}-{race}");
            eventually(PATIENCE, "the first key is committed and nothing is left beside", || {
                let document = document(&bao, &path);
                document.committed().count() == 1
                    && listed(&bao, &format!("{path}/standby")) == ids(document.standbys())
            });
            exactly_these_in_all_versions(&bao, &path);
        }
    }
}

fn exactly_these_in_all_versions(bao: &OpenBao, path: &str) {
    let expected = ids(document(bao, path).keys.iter());
    assert_eq!(expected.len(), 3, "{path}");
    let metadata = bao.succeed("GET", &format!("secret/metadata/{path}"), &Value::Null);
    for version in metadata["data"]["versions"].as_object().expect("versions").keys() {
        let read = bao.call("GET", &format!("secret/data/{path}?version={version}"), &Value::Null).json();
        let keys = read["data"]["data"]["keys"].as_array().expect("keys").clone();
        let found: BTreeSet<String> =
            keys.iter().map(|key| key["id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(found, expected, "version {version} of {path}");
    }
}
