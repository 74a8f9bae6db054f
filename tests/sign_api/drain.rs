//! The end: whatever reached the socket before it is answered, whatever did not is known not to have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use livekit_keyd::api::server::Limits;
use serde_json::json;

use super::harness::{Harness, limits};
use super::wire::{Wire, post};
use crate::support::eventually::{PATIENCE, eventually};

fn good() -> Vec<u8> {
    let body = json!({"identity": "a", "room": "demo", "profile": "viewer"}).to_string();
    post("/v1/tokens", body.as_bytes())
}

#[test]
fn under_load_no_answer_is_lost() {
    for _ in 0..5 {
        let mut harness = Harness::new();
        let answered = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = (0..16)
            .map(|client| {
                let (path, answered) = (harness.path(), Arc::clone(&answered));
                thread::spawn(move || {
                    // Half of them keep their connection, the others take a new one each time.
                    let mut kept: Option<Wire> = None;
                    loop {
                        let Some(mut wire) = kept.take().or_else(|| Wire::connect(&path).ok()) else {
                            return;
                        };
                        if wire.send(&good()).is_err() {
                            // Not taken: the client knows that it must ask again.
                            continue;
                        }
                        match wire.answer() {
                            Ok(Some(reply)) => {
                                assert_eq!(reply.status, 201);
                                let stays = !reply.head.contains("connection: close");
                                kept = Some(wire).filter(|_| stays && client % 2 == 0);
                            }
                            lost => panic!("a request was taken and not answered: {lost:?}"),
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        eventually(PATIENCE, "there is load", || answered.load(Ordering::Relaxed) > 500);
        harness.stop();
        for client in clients {
            client.join().expect("no answer was lost");
        }
        harness.wait_for_end();
        assert!(!harness.path().exists(), "the socket's file goes with the server");
    }
}

#[test]
fn a_request_under_way_is_answered_and_idle_connections_are_closed() {
    let mut harness = Harness::new();
    let mut idle = Wire::connect(&harness.path()).expect("a connection");
    idle.send(&good()).expect("it is sent");
    assert_eq!(idle.answer().expect("whole").expect("an answer").status, 201);
    let mut never_used = Wire::connect(&harness.path()).expect("a connection");
    let request = good();
    let (begin, rest) = request.split_at(request.len() - 10);
    let mut under_way = Wire::connect(&harness.path()).expect("a connection");
    under_way.send(begin).expect("it is sent");
    eventually(PATIENCE, "all are accepted", || {
        harness.metrics.connections.with_label_values(&["sign"]).get() == 3
    });
    // One more answered request: the server has read what was sent before it.
    let mut after = Wire::connect(&harness.path()).expect("a connection");
    after.send(&good()).expect("it is sent");
    assert_eq!(after.answer().expect("whole").expect("an answer").status, 201);
    harness.stop();
    assert!(idle.is_closed() && never_used.is_closed() && after.is_closed());
    assert!(Wire::connect(&harness.path()).is_err(), "no new connections");
    assert!(!harness.is_over(), "a request is under way");
    under_way.send(rest).expect("the rest is taken");
    let reply = under_way.answer().expect("whole").expect("an answer");
    assert_eq!(reply.status, 201);
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    assert!(under_way.is_closed());
    harness.wait_for_end();
}

#[test]
fn whoever_does_not_end_is_cut_after_drain_timeout() {
    let mut harness = Harness::with(Limits { drain_timeout: Duration::from_millis(300), ..limits() });
    let mut wire = Wire::connect(&harness.path()).expect("a connection");
    wire.send(b"POST /v1/tokens HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").expect("it is sent");
    let mut after = Wire::connect(&harness.path()).expect("a connection");
    after.send(&good()).expect("it is sent");
    assert_eq!(after.answer().expect("whole").expect("an answer").status, 201);
    harness.stop();
    harness.wait_for_end();
    assert!(wire.is_closed());
}
