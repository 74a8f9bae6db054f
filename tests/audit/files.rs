//! The chain in files: through kills under load, and from one file to the next.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use livekit_keyd_core::audit::Hash;
use serde_json::json;

use super::harness::{FILE, daemon};
use super::support::eventually::{PATIENCE, eventually};
use super::support::socket::Socket;
use super::support::{deployment, http, trail};

/// So many tokens are asked for at once.
const AT_ONCE: usize = 200;

/// Takes tokens, each another one, until there are no answers any more, and tells of each answer when it has come.
fn take_tokens(sign: &Socket, asked: &AtomicUsize, answered: &Sender<()>) -> Vec<String> {
    let mut tokens = Vec::new();
    loop {
        let first = asked.fetch_add(AT_ONCE, Ordering::Relaxed);
        let one = |number: usize| {
            let grants = json!({"video": {"roomJoin": true}});
            json!({"identity": format!("p{number}"), "room": "demo", "grants": grants})
        };
        let batch = json!({"tokens": (first..first + AT_ONCE).map(one).collect::<Vec<_>>()}).to_string();
        let answer = sign.send(&http::request("POST", "/v1/tokens/batch", &[], batch.as_bytes()));
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else { return tokens };
        // Who waited for so many answers may have gone.
        let _ = answered.send(());
        let answer = answer.json();
        let results = answer["results"].as_array().expect("results");
        tokens.extend(results.iter().map(|result| result["token"].as_str().expect("a token").to_owned()));
    }
}

#[test]
fn a_killed_daemon_loses_no_event_of_a_token_that_was_given_out_and_the_chain_goes_on() {
    let mut daemon = daemon(FILE);
    let (mut given_out, asked) = (Vec::new(), AtomicUsize::new(0));
    for _ in 0..3 {
        let sign = daemon.sign();
        let (answered, answers) = channel();
        let tokens = std::thread::scope(|scope| {
            let client = || take_tokens(&sign, &asked, &answered);
            let clients = [(); 4].map(|()| scope.spawn(client));
            // At the very moment at which tokens were given out.
            for _ in 0..6 {
                answers.recv_timeout(PATIENCE).expect("tokens are given out");
            }
            daemon.kill();
            clients.into_iter().flat_map(|client| client.join().expect("a client")).collect::<Vec<_>>()
        });
        given_out.extend(tokens);
        daemon.start_again();
        daemon.wait_until_ready();
    }
    daemon.terminate();
    assert!(given_out.len() > 100, "there was a load: {}", given_out.len());
    let text = fs::read_to_string(trail::file(&daemon)).expect("the trail");
    let events = trail::events_in(&trail::file(&daemon));
    let written: HashSet<_> =
        events.iter().filter_map(|event| event["livekit_keyd.token.sha256"].as_str()).collect();
    let lost = |token: &&String| !written.contains(Hash::of(token.as_bytes()).to_string().as_str());
    let lost = given_out.iter().filter(lost).count();
    assert_eq!(lost, 0, "of {} tokens that were given out the events are lost", given_out.len());
    assert!(!text.contains(given_out[0].as_str()), "no token is in the trail");
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
