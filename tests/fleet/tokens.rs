//! A token that asks is worth nothing to who gets hold of it.

use livekit_keyd_core::plan::Verdict;
use serde_json::Value;

use crate::fake::{Fake, answer, claims, like_livekit};
use crate::log::OUR_LOG;
use crate::support::eventually::{PATIENCE, value};
use crate::support::http::{self, request};
use crate::support::livekit::LiveKit;
use crate::{ONE, TWO, Watched, key_file};

#[test]
fn a_probes_token_is_worth_nothing_and_is_in_no_log_of_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let livekit = LiveKit::start(&key_file(&folder, &[("APIone", ONE), ("APItwo", TWO)]));
    // It neither accepts nor refuses, so both kinds of question come.
    let thief = Fake::answering(|_| answer("418 I'm a teapot", "", ""));
    let watched = Watched::start(&[&thief.address, &livekit.url()]);
    // The wrong secret makes livekit-server 1.13 answer with the whole token.
    watched.ask_about(&[("APIone", Some(ONE)), ("APItwo", Some(ONE))]);
    watched.wait_for(&livekit.url(), &[("APIone", Verdict::Accepted), ("APItwo", Verdict::Mismatch)]);
    let balancer_like = watched.wait_for_trouble(&thief.address, "418");
    assert!(balancer_like.answers.is_empty());

    // The control is the first question, so the key's own token is had from a node that refuses the control.
    let careful = Fake::answering(|request| like_livekit("APIone", "", request));
    let other = Watched::start(&[&careful.address]);
    other.ask_about(&[("APIone", Some(ONE))]);
    let token = value(PATIENCE, "it is asked about the key", || careful.token_of("APIone"));
    assert_eq!(claims(&token)["sub"], Value::Null);
    assert_eq!(claims(&token)["jti"], Value::Null);
    let room = claims(&token)["video"]["room"].as_str().expect("a room").to_owned();

    let validate = livekit.validate(&token).expect("it answers");
    assert_eq!((validate.status, validate.text().trim()), (400, "identity cannot be empty"));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let host = livekit.url().trim_start_matches("http://").to_owned();
    for path in [
        format!("/rtc/validate?identity=mallory&room={room}"),
        format!("/rtc?identity=mallory&room={room}"),
        format!("/rtc/v1?identity=mallory&room={room}"),
        "/twirp/livekit.RoomService/ListRooms".to_owned(),
    ] {
        let answer = http::over_tcp(&host, &request("GET", &path, &headers, b"")).expect("it answers");
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    for (method, body) in [
        ("RoomService/ListRooms", "{}".to_owned()),
        ("RoomService/CreateRoom", format!("{{\"name\":\"{room}\"}}")),
        ("RoomService/ListParticipants", format!("{{\"room\":\"{room}\"}}")),
        ("RoomService/DeleteRoom", format!("{{\"room\":\"{room}\"}}")),
        ("Egress/ListEgress", "{}".to_owned()),
        ("Ingress/ListIngress", "{}".to_owned()),
        ("SIP/ListSIPTrunk", "{}".to_owned()),
    ] {
        let answer = livekit.twirp(method, &token, &body).expect("it answers");
        assert_eq!(answer.status, 401, "{method}: {}", answer.text());
    }
    let log = String::from_utf8_lossy(&OUR_LOG.lock().expect("nobody panicked")).into_owned();
    assert!(log.contains("the node answers"), "the log is ours:\n{log}");
    for secret in ["eyJ", ONE, TWO, &room] {
        assert!(!log.contains(secret), "{secret} in our log:\n{log}");
    }
}
