//! A scheduled rotation on a real OpenBao, under a client that shows each token to a real livekit-server.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use support::daemon::Daemon;
use support::deployment::{self, RULES};
use support::eventually::{PATIENCE, eventually};
use support::forged::forge;
use support::livekit::LiveKit;
use support::openbao::OpenBao;

/// What the client saw: tokens by key, and those that were refused.
#[derive(Default)]
struct Seen {
    by_key: BTreeMap<String, usize>,
    refused: Vec<String>,
}

/// Mints and shows a token ten times a second. A server that is down refuses nothing: the token waits for it.
fn client(daemon: &Daemon, address: &str, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let (status, minted) = deployment::mint(daemon);
        assert_eq!(status, 201, "a signer in touch with its store always has a key: {minted}");
        let token = minted["token"].as_str().expect("a token").to_owned();
        *seen.by_key.entry(minted["key_id"].as_str().expect("a key").to_owned()).or_default() += 1;
        let bearer = format!("Bearer {token}");
        let request = support::http::request("GET", "/rtc/validate", &[("authorization", &bearer)], b"");
        let answer = loop {
            match support::http::over_tcp(address, &request) {
                Ok(answer) => break answer,
                Err(_) if stop.load(Ordering::Relaxed) => return seen,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        if answer.status != 200 {
            seen.refused.push(format!("{} of {}: {}", answer.status, minted["key_id"], answer.text()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    seen
}

#[test]
fn a_scheduled_rotation_refuses_nobody_and_costs_one_restart() {
    let bao = OpenBao::start();
    let rules = format!("rotation_schedule = \"* * * * *\"\n{RULES}");
    let daemon = deployment::start(&bao, "both", &rules);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let before = deployment::keys(&daemon);
    let first = deployment::active(&daemon).expect("an active key");
    let secret = before[&first].clone();
    let mut livekit = LiveKit::start(&deployment::key_file(&daemon));
    assert!(livekit.accepts(&forge(&first, &secret)), "a key that is published is accepted");
    assert!(deployment::all_versions(&bao).contains(&secret), "a search that finds nothing proves nothing");

    let stop = AtomicBool::new(false);
    let address = livekit.url().trim_start_matches("http://").to_owned();
    let seen = std::thread::scope(|scope| {
        let client = scope.spawn(|| client(&daemon, &address, &stop));
        // At the retirement the set of keys changes, and with it the file: that is when LiveKit is restarted.
        eventually(PATIENCE * 2, "the set of published keys changes", || {
            deployment::keys(&daemon).keys().ne(before.keys())
        });
        livekit.restart();
        eventually(PATIENCE, "the retired key is erased", || {
            deployment::keyset(&daemon)["phases"]["erased"] == 1
        });
        deployment::wait_until_steady(&daemon);
        stop.store(true, Ordering::Relaxed);
        client.join().expect("a client to its end")
    });
    assert_eq!(seen.refused, Vec::<String>::new(), "of {:?}", seen.by_key);
    assert!(seen.by_key.len() >= 2, "two keys have signed: {:?}", seen.by_key);
    assert!(seen.by_key.values().sum::<usize>() > 100, "{:?}", seen.by_key);

    assert_eq!(
        livekit.validate(&forge(&first, &secret)).expect("an answer").status,
        401,
        "retired means refused"
    );
    let versions = deployment::all_versions(&bao);
    assert!(!versions.contains(&secret), "the retired secret is in no version of any path");
    assert!(versions.contains(deployment::keys(&daemon).values().next().expect("a key")));
}

/// The same client, beside a server that was never given the next key: this is what a rotation by hand looks like.
#[test]
fn a_server_that_lacks_the_next_key_refuses_and_the_client_sees_it() {
    let bao = OpenBao::start();
    let daemon = deployment::start(&bao, "both", RULES);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let first = deployment::active(&daemon).expect("an active key");
    let held_back = daemon.folder().join("held-back.yaml");
    let secret = &deployment::keys(&daemon)[&first];
    std::fs::write(&held_back, format!("{first}: {secret}\n")).expect("a key file");
    std::fs::set_permissions(&held_back, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("a mode");
    let livekit = LiveKit::start(&held_back);

    let stop = AtomicBool::new(false);
    let address = livekit.url().trim_start_matches("http://").to_owned();
    let seen = std::thread::scope(|scope| {
        let client = scope.spawn(|| client(&daemon, &address, &stop));
        daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
        eventually(PATIENCE, "another key signs", || {
            deployment::active(&daemon).is_some_and(|id| id != first)
        });
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        client.join().expect("a client to its end")
    });
    assert!(!seen.refused.is_empty(), "{:?}", seen.by_key);
}
