//! A live fleet's key file is taken over, with proof required, while a Python service goes on signing with its key.

mod support;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::clients::Clients;
use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::fleet::{Fleet, RULES};
use support::forged::forge;
use support::service::Service;

const NODES: usize = 3;
const OLD: &str = "APIold";
const OLD_SECRET: &str = "a-secret-that-a-service-was-given-long-ago";
/// Keys of others that nobody has told us of.
const OTHERS: [(&str, &str); 2] =
    [("APIzz", "12345678901234567890123456789012"), ("APIother", "some-other-secret-of-forty-characters-00")];

/// As people write them, in another order than by id.
fn live_key_file() -> String {
    let [(zz, digits), (other, secret)] = OTHERS;
    format!("# by hand\n{zz}: {digits}\n{OLD}: {OLD_SECRET}\n{other}: {secret}\n")
}

/// The phase of the key that was taken over.
fn phase(daemon: &Daemon) -> String {
    let keyset = deployment::keyset(daemon);
    let keys = keyset["keys"].as_array().cloned().unwrap_or_default();
    let key = keys.iter().find(|key| key["id"] == OLD);
    key.and_then(|key| key["phase"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_python_service_signs_on_until_its_key_is_released_and_no_node_refuses_it() {
    let fleet = Fleet::start_with(NODES, &live_key_file());
    let (cluster, clients) = (&fleet.cluster, &Clients::default());
    let service = Mutex::new(Service::with_key(OLD, OLD_SECRET));
    let token = || service.lock().expect("nobody panicked").token();
    assert_eq!(cluster.verdicts(&token()), [Some(200); NODES], "the deployment lives");
    let daemon = &fleet.daemon("both", &format!("rotation_period = \"8s\"\n{RULES}"));
    let moved = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| cluster.serve(|| clients.stopped()));
        scope.spawn(|| {
            clients
                .run_with(1, cluster, || (!moved.load(Ordering::Relaxed)).then(|| (OLD.to_owned(), token())));
        });
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            take_over(&fleet, daemon);
            scope.spawn(|| clients.run(0, &daemon.sign(), cluster));
            held(&fleet, daemon, clients);
            released(&fleet, daemon, moved);
        }));
        clients.stop();
        if let Err(panic) = walked {
            eprintln!("{:#}\n{}", daemon.admin().get("/v1/plan").1, daemon.log().text());
            std::panic::resume_unwind(panic);
        }
    });
    let seen = clients.seen();
    let by = |signer: usize| seen.minted.iter().filter(|minted| minted.signer == signer).count();
    println!(
        "{} tokens by the service and {} by the daemon, {} showings; restarts {:?}",
        by(1),
        by(0),
        seen.shown,
        cluster.restarts()
    );
    assert!(by(0) > 50 && by(1) > 50, "both signed all the while");
    assert!(seen.keys().len() > 1, "another key signed");
    assert!(seen.refused.is_empty(), "refused: {:#?}", seen.refused);
    assert_eq!(cluster.most_down(), 1, "one node at a time");
    assert_eq!(cluster.verdicts(&token()), [Some(401); NODES], "the old key is of no use any more");
    for (id, secret) in OTHERS {
        assert_eq!(cluster.verdicts(&forge(id, secret)), [Some(200); NODES], "{id} stays published");
    }
}

/// From the nodes' own file, while it is in use.
fn take_over(fleet: &Fleet, daemon: &Daemon) {
    let given = daemon.folder().join("given.yaml");
    fs::copy(fleet.key_file(), &given).expect("a copy");
    let arguments = ["import", "apps", "--key-file", given.to_str().expect("text"), "--key", OLD];
    let done = daemon.run(&arguments);
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success() && said.contains("2 other keys stay published"), "{said}");
    assert_eq!(deployment::mint(daemon).1["key_id"], OLD, "it signs at once: every node knows it");
}

/// Two standbys are brought to every node, a firing comes, and the key stays.
fn held(fleet: &Fleet, daemon: &Daemon, clients: &Clients) {
    eventually(PATIENCE * 2, "a firing is due, and the held key is not rotated away", || {
        let blocked = daemon.admin().get("/v1/plan").1["blocked"].as_array().cloned().unwrap_or_default();
        blocked.iter().any(|blocked| blocked["rule"] == "fire" && blocked["reason"] == "hold")
    });
    eventually(PATIENCE * 2, "every node knows both standbys", || {
        let keys = deployment::keyset(daemon)["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().filter(|key| key["phase"] == "standby" && !key["proven_at"].is_null()).count() == 2
    });
    assert_eq!(fleet.cluster.restarts(), [1; NODES], "each node was restarted once");
    assert_eq!(phase(daemon), "active");
    let text = fs::read_to_string(fleet.key_file()).expect("the key file");
    let place = |id: &str| text.find(&format!("\"{id}\"")).expect("published");
    assert!(OTHERS.iter().all(|(id, _)| place(id) > place(OLD)), "keys of others are listed last");
    let seen = clients.seen();
    assert_eq!(seen.keys(), [OLD].into(), "nobody signs with another key");
}

/// Everybody is about to move to the daemon: the key goes as any other does.
fn released(fleet: &Fleet, daemon: &Daemon, moved: &AtomicBool) {
    let (status, told) = daemon.admin().post("/v1/keysets/apps/resume", &json!({}));
    assert_eq!(status, 202, "{told}");
    eventually(PATIENCE, "the next key signs", || phase(daemon) == "retiring");
    // Its tokens are good until the key's end.
    moved.store(true, Ordering::Relaxed);
    eventually(PATIENCE, "it leaves what is published", || {
        !deployment::keys_in(&fleet.key_file()).contains_key(OLD)
    });
    eventually(PATIENCE * 2, "every node refuses it, and it is erased", || phase(daemon) == "erased");
}
