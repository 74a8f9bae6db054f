//! Compromises on a running fleet: real nodes that each know what they started with, proof required, clients all the
//! while.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;
use support::clients::{Clients, Seen};
use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::fleet::{Fleet, RULES};
use support::forged::forge;
use support::memory::copies;

const NODES: usize = 3;
/// What the rules say, and the second that the promise adds.
const ELSEWHERE: Duration = Duration::from_millis(1500);
const HERE: Duration = Duration::from_secs(1);

/// Three signers, of which the first rotates too, and another rotator.
fn daemons(fleet: &Fleet) -> [Daemon; 4] {
    let rules = format!("rotation_period = \"1000h\"\n{RULES}");
    ["both", "signer", "signer", "rotator"].map(|role| fleet.daemon(role, &rules))
}

/// Whether each node refuses each of these keys.
fn is_clean(fleet: &Fleet, keys: &BTreeMap<String, String>) -> bool {
    let refused = |(id, secret): (&String, &String)| {
        fleet.cluster.verdicts(&forge(id, secret)).iter().all(|status| *status == Some(401))
    };
    keys.iter().all(refused)
}

/// Since when no signer used one of these keys any more, and had another.
fn moved(seen: &Seen, keys: &BTreeMap<String, String>, since: Instant) -> [Duration; 3] {
    [0, 1, 2].map(|signer| {
        let later = seen.minted.iter().filter(|minted| minted.signer == signer && minted.at > since);
        let first = later.filter(|minted| !keys.contains_key(&minted.key)).map(|minted| minted.at).min();
        let last =
            seen.minted.iter().filter(|minted| minted.signer == signer && keys.contains_key(&minted.key));
        let last = last.map(|minted| minted.at).max();
        let at = first.max(last).expect("this signer signs");
        at.saturating_duration_since(since)
    })
}

/// Refusals of tokens whose key was not revoked.
fn wrongs(seen: &Seen, keys: &BTreeMap<String, String>) -> Vec<String> {
    let good = seen.refused.iter().filter(|refused| !keys.contains_key(&refused.token.key));
    good.map(|refused| format!("{refused:?}")).collect()
}

#[test]
fn revoked_on_a_running_fleet_one_key_and_then_all() {
    let fleet = Fleet::start(NODES);
    let (cluster, clients) = (&fleet.cluster, &Clients::default());
    let mut daemons = daemons(&fleet);
    let processes = daemons.each_mut().map(|daemon| daemon.process().id());
    let [both, ..] = &daemons;
    let sockets = [0, 1, 2].map(|signer: usize| daemons[signer].sign());
    std::thread::scope(|scope| {
        scope.spawn(|| cluster.serve(|| clients.stopped()));
        both.init("apps");
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(PATIENCE * 2, "each signer signs", || {
                sockets.iter().all(|sign| sign.is_200("/readyz"))
            });
            deployment::wait_until_steady(both);
            for (number, socket) in sockets.iter().enumerate() {
                scope.spawn(move || clients.run(number, socket, cluster));
            }
            eventually(PATIENCE, "clients are served", || clients.seen().shown > 100);
            let revoked = one_key(&fleet, &daemons, clients);
            assert_forgotten(&processes, &revoked);
            eventually(PATIENCE, "clients are served", || clients.seen().minted.len() > 100);
            let revoked = all_keys(&fleet, &daemons, clients, revoked);
            assert_forgotten(&processes, &revoked);
        }));
        clients.stop();
        if let Err(panic) = walked {
            eprintln!("{:#}\n{}", both.admin().get("/v1/plan").1, both.log().text());
            std::panic::resume_unwind(panic);
        }
    });
}

/// The key that signs, which is revoked.
fn one_key(fleet: &Fleet, daemons: &[Daemon; 4], clients: &Clients) -> BTreeMap<String, String> {
    let both = &daemons[0];
    let bad = deployment::active(both).expect("a key signs");
    let secret = deployment::keys_in(&fleet.key_file())[&bad].clone();
    let keys = BTreeMap::from([(bad.clone(), secret.clone())]);
    assert!(
        deployment::all_versions(&fleet.bao).contains(&secret),
        "a search that finds nothing proves nothing"
    );
    assert!(!is_clean(fleet, &keys), "the nodes know it");
    let before = fleet.cluster.restarts();

    let began = Instant::now();
    let path = format!("/v1/keysets/apps/keys/{bad}/revoke");
    let (status, told) = both.admin().post(&path, &json!({"reason": "seen in a log"}));
    let answered = began.elapsed();
    assert_eq!((status, &told["waiting"]), (202, &serde_json::Value::Null), "{told}");
    eventually(PATIENCE * 3, "each node refuses it", || is_clean(fleet, &keys));
    let clean = began.elapsed();
    deployment::wait_until_steady(both);
    eventually(PATIENCE * 2, "its secret is in no version of any path", || {
        !deployment::all_versions(&fleet.bao).contains(&secret)
    });

    let (seen, after) = (clients.seen(), fleet.cluster.restarts());
    let moved = moved(&seen, &keys, began);
    eprintln!(
        "one key: answered after {answered:?}, signers moved after {moved:?}, nodes clean after {clean:?}, secret gone after {:?}",
        began.elapsed()
    );
    assert!(moved[0] < HERE && moved.iter().all(|moved| *moved <= ELSEWHERE), "{moved:?}");
    assert_eq!(wrongs(&seen, &keys), Vec::<String>::new());
    let each: Vec<_> = before.iter().map(|count| count + 1).collect();
    assert_eq!(after, each, "each node is restarted once");
    assert_said_nowhere(fleet, daemons, &secret);
    keys
}

/// Everything that nodes read, as when their file leaked. Clients still show tokens of a key that was revoked before.
fn all_keys(
    fleet: &Fleet,
    daemons: &[Daemon; 4],
    clients: &Clients,
    mut revoked: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let both = &daemons[0];
    let mut keys = deployment::keys_in(&fleet.key_file());
    keys.remove("APIfirst");
    let before = fleet.cluster.restarts();

    let began = Instant::now();
    let socket = both.folder().join("admin.sock");
    let socket = socket.to_str().expect("text");
    let arguments =
        ["--admin-socket", socket, "revoke", "apps", "--all", "--reason", "keys.yaml leaked", "--yes"];
    let done = both.run(&arguments);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    eventually(PATIENCE * 4, "each node refuses them all", || is_clean(fleet, &keys));
    let clean = began.elapsed();
    eventually(PATIENCE * 2, "each signer signs with a new key", || {
        let seen = clients.seen();
        let signers =
            seen.minted.iter().filter(|minted| minted.at > began && !keys.contains_key(&minted.key));
        signers.map(|minted| minted.signer).collect::<BTreeSet<_>>().len() == 3
    });
    deployment::wait_until_steady(both);
    eventually(PATIENCE * 2, "their secrets are in no version of any path", || {
        let stored = deployment::all_versions(&fleet.bao);
        !keys.values().any(|secret| stored.contains(secret))
    });

    let seen = clients.seen();
    let moved = moved(&seen, &keys, began);
    let restarts: Vec<_> =
        fleet.cluster.restarts().iter().zip(before).map(|(after, before)| after - before).collect();
    eprintln!(
        "all keys: signers have a new one after {moved:?}, nodes clean after {clean:?}, secrets gone after {:?}; restarts of each node: {restarts:?}; {} showings of tokens",
        began.elapsed(),
        seen.shown,
    );
    revoked.extend(keys.clone());
    assert_eq!(wrongs(&seen, &revoked), Vec::<String>::new());
    assert!(restarts.iter().all(|count| *count >= 1), "{restarts:?}");
    for secret in keys.values() {
        assert_said_nowhere(fleet, daemons, secret);
    }
    revoked
}

/// No daemon holds one of the secrets any more, in whatever copy.
fn assert_forgotten(processes: &[u32; 4], revoked: &BTreeMap<String, String>) {
    for process in processes {
        for secret in revoked.values() {
            eventually(PATIENCE, "its secret is in no memory", || copies(*process, secret) == 0);
        }
    }
}

fn assert_said_nowhere(fleet: &Fleet, daemons: &[Daemon; 4], secret: &str) {
    let daemons = daemons.iter().map(|daemon| daemon.log().text());
    let nodes = (0..NODES).map(|node| fleet.cluster.node(node).server().log().text());
    for log in daemons.chain(nodes) {
        assert!(!log.is_empty() && !log.contains(secret), "a secret was logged");
    }
    assert!(!deployment::keys_in(&fleet.key_file()).values().any(|known| known == secret));
}
