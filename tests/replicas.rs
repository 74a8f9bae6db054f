//! Two rotators side by side on one keyset and one key file.

mod support;

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Duration;

use livekit_keyd::clock;
use livekit_keyd_core::change::{self, Change, Material};
use livekit_keyd_core::document::WriteId;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually, nothing_wrong};
use support::gate::Gate;
use support::openbao::OpenBao;
use support::stored::{KEYSET, Stored, ids};

/// What the versions name that can still be read; each continues the one before.
fn ids_of_all_versions(stored: &Stored<'_>) -> BTreeSet<String> {
    let versions = stored.versions();
    for pair in versions.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert_eq!(after.seq, before.seq + 1, "one write is one version");
        assert_eq!(after.lineage, before.lineage);
        assert!(after.writes.contains(before.writes.last().expect("a write")), "an update was lost");
    }
    versions.iter().flat_map(|document| ids(document.keys.iter())).collect()
}

/// Both at the same instant, as near as threads allow.
fn at_once<T: Send>(pair: &[Daemon; 2], act: impl Fn(&Daemon) -> T + Sync) -> [T; 2] {
    let barrier = Barrier::new(2);
    let go = |daemon: &Daemon| {
        barrier.wait();
        act(daemon)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| go(&pair[1]));
        [go(&pair[0]), other.join().expect("a call to its end")]
    })
}

#[test]
fn two_rotators_side_by_side_lose_nothing() {
    let bao = OpenBao::start();
    let shared = tempfile::tempdir().expect("a folder");
    let key_file = shared.path().join("keys.yaml");
    let stored = Stored::OpenBao(&bao);
    let config = deployment::config(&bao, "both", QUICK_RULES)
        .replace("{dir}/keys.yaml", key_file.to_str().expect("a path is text"));
    let mut pair = [(); 2].map(|()| deployment::with_token(&bao, &config));
    pair.iter_mut().for_each(Daemon::start_again);
    pair[0].init(KEYSET);
    let mut seen = deployment::keys_in(&key_file);
    let mut asked = 0;
    for rotation in 0..=3 {
        if rotation > 0 {
            let answers = at_once(&pair, |daemon| {
                daemon.admin().post(&format!("/v1/keysets/{KEYSET}/rotate"), &json!({}))
            });
            let accepted = answers.iter().filter(|(status, _)| *status == 202).count();
            assert!(accepted >= 1, "{answers:?}");
            asked += accepted;
        }
        nothing_wrong(PATIENCE, || {
            seen.extend(deployment::keys_in(&key_file));
            let mut flaws = stored.flaws(&key_file, &seen);
            flaws.extend(stored.orphans());
            let commitments = stored.document().map_or(0, |document| document.committed().count());
            if commitments != 1 + asked {
                flaws.push(format!("{asked} requests were accepted, and {commitments} keys are committed"));
            }
            flaws
        });
        let document = stored.document().expect("a document");
        assert_eq!(ids_of_all_versions(&stored), ids(document.keys.iter()));
        assert_eq!(
            document.keys.len(),
            document.committed().count() + 2,
            "a key a commitment, and two ahead"
        );
        for daemon in &pair {
            eventually(PATIENCE, "no step fails for good", || {
                !daemon.admin().get("/v1/status").1.to_string().contains("StepFailed")
            });
        }
        println!("rotation {rotation}: seq {}, {} keys", document.seq, document.keys.len());
    }
}

#[test]
fn a_secret_that_another_rotator_is_about_to_name_is_left_alone() {
    let bao = OpenBao::start();
    let gate = Gate::before(&bao.address(), "LIST");
    let config = deployment::config(&bao, "both", QUICK_RULES).replace(&bao.address(), gate.address());
    let mut daemon = deployment::with_token(&bao, &config);
    daemon.start_again();
    daemon.init(KEYSET);
    deployment::wait_until_steady(&daemon);
    let look = |times: usize| {
        for _ in 0..times {
            let before = gate.came();
            daemon.admin().post("/v1/refresh", &json!({}));
            eventually(PATIENCE, "the rotator looks", || gate.came() > before);
        }
    };
    let stored = Stored::OpenBao(&bao);
    // It has read the document and not yet what lies beside: there and then another rotator writes the document, and the
    // secret of a key that its next write is to name.
    gate.shut();
    look(1);
    let until = clock::now() + Duration::from_secs(3600);
    write(&bao, &stored, &Change::Hold { by: "another".to_owned(), until });
    let secret = json!({"options": {"cas": 0}, "data": {"secret": "s".repeat(43)}});
    bao.succeed("POST", "secret/data/livekit/apps/standby/APIanother", &secret);
    gate.open();
    look(3);
    assert_eq!(stored.orphans().len(), 1, "its maker may still name it");
    // Now it cannot: its write would be refused.
    write(&bao, &stored, &Change::Resume);
    look(1);
    nothing_wrong(PATIENCE, || stored.orphans());
}

/// A change of the document by a rotator that is not there.
fn write(bao: &OpenBao, stored: &Stored<'_>, change: &Change) {
    let metadata = bao.succeed("GET", "secret/metadata/livekit/apps", &Value::Null);
    let document = stored.document().expect("a document");
    let material = Material::none(WriteId(format!("another-{}", document.seq)));
    let next = change::apply(&document, change, clock::now(), material).expect("a legal change");
    let body = json!({"options": {"cas": metadata["data"]["current_version"]}, "data": next});
    bao.succeed("POST", "secret/data/livekit/apps", &body);
}
