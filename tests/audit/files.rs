//! The chain in files: through kills under load, and from one file to the next.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use livekit_keyd_core::audit::Hash;
use serde_json::json;

use super::harness::{FILE, daemon};
use super::support::eventually::{PATIENCE, eventually};
use super::support::{deployment, http, trail};

#[test]
fn a_killed_daemon_loses_no_event_of_a_token_that_was_given_out_and_the_chain_goes_on() {
    let mut daemon = daemon(FILE);
    let mut given_out = Vec::new();
    for _ in 0..3 {
        let stop = AtomicBool::new(false);
        let sign = daemon.sign();
        let tokens = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let body =
                            json!({"identity": "a", "room": "r", "grants": {"video": {"roomJoin": true}}});
                        let mut tokens = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            let request =
                                http::request("POST", "/v1/tokens", &[], body.to_string().as_bytes());
                            let Ok(answer) = sign.send(&request) else { break };
                            if answer.status == 201 {
                                tokens.push(answer.json()["token"].as_str().expect("a token").to_owned());
                            }
                        }
                        tokens
                    })
                })
                .collect();
            let path = trail::file(&daemon);
            let before = trail::events_in(&path).len();
            eventually(PATIENCE, "some tokens are given out", || trail::events_in(&path).len() > before + 50);
            daemon.kill();
            stop.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().expect("a client")).collect::<Vec<_>>()
        });
        given_out.extend(tokens);
        daemon.start_again();
        daemon.wait_until_ready();
    }
    daemon.terminate();
    assert!(given_out.len() > 100, "there was a load: {}", given_out.len());
    let text = fs::read_to_string(trail::file(&daemon)).expect("the trail");
    for token in &given_out {
        assert!(text.contains(&Hash::of(token.as_bytes()).to_string()), "a token's event is lost");
        assert!(!text.contains(token.as_str()), "no token is in the trail");
    }
    let (whole, said) = trail::verify(&[], &[&trail::file(&daemon)]);
    assert!(whole && said.contains("whole"), "{said}");
    assert_eq!(text.matches("\"event.action\":\"trail-resume\"").count(), 4, "each start is an event");

    // As a kill within a write leaves it.
    fs::write(trail::file(&daemon), format!("{text}{}", &text[..100])).expect("the trail");
    daemon.start_again();
    daemon.terminate();
    let (whole, said) = trail::verify(&[], &[&trail::file(&daemon)]);
    assert!(whole && said.contains("a crash tore the line"), "{said}");
}

#[test]
fn the_chain_goes_on_in_a_new_file() {
    let mut daemon = daemon(FILE);
    deployment::mint(&daemon);
    let moved = daemon.folder().join("audit.jsonl.1");
    fs::rename(trail::file(&daemon), &moved).expect("as logrotate does");
    daemon.hang_up();
    eventually(PATIENCE, "a new file is begun", || {
        deployment::mint(&daemon);
        trail::file(&daemon).exists() && !trail::events_in(&trail::file(&daemon)).is_empty()
    });
    let head = daemon.admin().get("/v1/status").1["audit"]["head"].as_str().expect("a head").to_owned();
    daemon.terminate();
    let (whole, said) = trail::verify(&["--head", &head], &[&moved, &trail::file(&daemon)]);
    assert!(whole, "{said}");
    let (whole, said) = trail::verify(&["--head", &head], &[&moved]);
    assert!(!whole, "the end is missing: {said}");
}
