//! kill -9 at every line that a rotator logs, and two rotators that begin at the same instant.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::time::Duration;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::Key;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;

/// The shortest rotation that the configuration takes.
const RULES: &str = "\
    max_token_ttl = \"1s\"\n\
    clock_skew = \"20ms\"\n\
    refresh_interval = \"100ms\"\n\
    overlap = \"1300ms\"\n\
    activation_lead = \"100ms\"\n\
    publish_delay = \"50ms\"\n";

/// A part of every line that a rotation logs, before and after each of its steps.
const LINES: [&str; 16] = [
    "writing the document: an operator asks for a change of key",
    "writing the document: the next key is committed",
    " signs from ",
    "writing the document: the key before gets its end",
    "whose tokens get an end",
    "removing a secret beside the document",
    "writing the secret of a new standby",
    "writing the document: a key is retired",
    "it is refused by every node once they read",
    "publishing: the set of keys has changed",
    "done: the set of keys has changed",
    "without a change of keys",
    "writing the document: a standby is proven",
    "writing the document: a retired secret is erased",
    "destroying older versions of the document",
    "are of no use any more",
];

/// How often at each.
const TIMES: u64 = 5;

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

/// What must be so whenever a rotation has ended, whatever happened on the way.
fn nothing_lost_and_nothing_doubled(bao: &OpenBao, daemon: &Daemon, secrets: &BTreeMap<String, String>) {
    let document = document(bao, "livekit/apps");
    assert_eq!(
        document.keys.len(),
        document.committed().count() + 2,
        "each rotation makes one key: {document:#?}"
    );
    assert_eq!(document.published().count(), 3);
    eventually(PATIENCE, "nothing lies beside the document that it does not name", || {
        listed(bao, "livekit/apps/standby") == ids(document.standbys())
    });
    let published = deployment::keys(daemon);
    assert_eq!(published.keys().cloned().collect::<BTreeSet<_>>(), ids(document.published()));
    for key in document.published() {
        let path = format!("secret/data/livekit/apps/standby/{}", key.id);
        let secret = match &key.secret {
            Some(secret) => secret.expose().to_owned(),
            None => bao.succeed("GET", &path, &Value::Null)["data"]["data"]["secret"]
                .as_str()
                .expect("text")
                .into(),
        };
        assert_eq!(published[key.id.as_str()], secret, "one secret for {}", key.id);
    }
    let dead = document.keys.iter().filter(|key| key.erased_at.is_some());
    let dead: Vec<_> = dead.filter_map(|key| secrets.get(key.id.as_str())).collect();
    eventually(PATIENCE, "erased secrets are in no version of any path", || {
        let versions = deployment::all_versions(bao);
        dead.iter().all(|secret| !versions.contains(secret.as_str()))
    });
    assert!(document.keys.iter().all(|key| key.erased_at.is_some() || key.is_published()));
}

fn rotate(daemon: &Daemon) {
    let admin = daemon.admin();
    // Its answer may never come.
    std::thread::spawn(move || {
        let request = support::http::request("POST", "/v1/keysets/apps/rotate", &[], b"{}");
        let _ = admin.send(&request);
    });
}

/// One rotation that is killed at a line, and another start.
fn kill_at(line: &str, after: Duration, bao: &OpenBao, daemon: &mut Daemon) {
    let before = document(bao, "livekit/apps").committed().count();
    let from = daemon.log().len();
    rotate(daemon);
    daemon.log().wait_for(line, from, PATIENCE);
    std::thread::sleep(after);
    daemon.kill();
    daemon.start_again();
    let now = document(bao, "livekit/apps");
    if now.committed().count() == before && now.requested.is_none() {
        rotate(daemon);
    }
    eventually(PATIENCE, &format!("the rotation that was killed at `{line}` ends"), || {
        let erased = document(bao, "livekit/apps").keys.iter().filter(|key| key.erased_at.is_some()).count();
        erased == before
    });
    deployment::wait_until_steady(daemon);
}

fn killed_at(lines: &[&str]) {
    let bao = OpenBao::start();
    let mut daemon = deployment::start(&bao, "both", RULES);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let mut secrets = deployment::keys(&daemon);
    for line in lines {
        for time in 0..TIMES {
            // So that both sides of the write that follows are hit.
            kill_at(line, Duration::from_micros(time * 700), &bao, &mut daemon);
            secrets.extend(deployment::keys(&daemon));
            nothing_lost_and_nothing_doubled(&bao, &daemon, &secrets);
        }
        eprintln!("killed {TIMES} times at `{line}`");
    }
}

#[test]
fn a_rotation_killed_in_its_first_half_ends_and_loses_nothing() {
    killed_at(&LINES[..LINES.len() / 2]);
}

#[test]
fn a_rotation_killed_in_its_second_half_ends_and_loses_nothing() {
    killed_at(&LINES[LINES.len() / 2..]);
}

const STARTS: usize = 10;
const RACES: usize = 5;

/// A configuration of several keysets, none of which is there yet.
fn many(bao: &OpenBao, start: usize) -> String {
    let one = deployment::config(bao, "rotator", RULES);
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
