//! `{identity}` in patterns: it lends a room to who is named, and nothing to a token that names nobody.

use livekit_keyd_core::policy::{Caller, Policy};
use serde_json::json;

use crate::fixtures::{caller, decide, globs, patterns};

fn policy(rooms: &[&str], identities: &[&str]) -> Policy {
    let caller = Caller {
        allowed_rooms: globs(rooms),
        allowed_identities: globs(identities),
        allowed_grants: patterns(&["*"]),
        ..caller()
    };
    Policy::new(caller, vec![], None)
}

#[test]
fn without_an_identity_it_opens_no_room() {
    let policy = policy(&["{identity}*"], &["*"]);
    let admin = json!({"video": {"roomAdmin": true}});
    for room in ["victim", "*x", "-"] {
        let denied = decide(&policy, &json!({"room": room, "grants": admin})).expect_err(room);
        assert_eq!(denied.rule, "allowed_rooms", "{room}");
    }
    decide(&policy, &json!({"identity": "vic", "room": "victim", "grants": admin}))
        .expect("a room of its own");
}

#[test]
fn an_identity_with_stars_is_no_pattern() {
    let policy = policy(&["home-{identity}"], &["*"]);
    let denied =
        decide(&policy, &json!({"identity": "*", "room": "home-alice"})).expect_err("another's room");
    assert_eq!(denied.rule, "allowed_rooms");
    decide(&policy, &json!({"identity": "*", "room": "home-*"})).expect("its own room, letter by letter");
}

#[test]
fn an_identity_does_not_vouch_for_itself() {
    let policy = policy(&["*"], &["{identity}"]);
    let denied = decide(&policy, &json!({"identity": "anybody"})).expect_err("nobody is named");
    assert_eq!(denied.rule, "allowed_identities");
}
