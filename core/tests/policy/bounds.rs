//! Whatever is asked for, room, identity, life, kind and room configuration stay within profile and caller.

use std::cell::Cell;
use std::time::Duration;

use livekit_keyd_core::claims::Kind;
use livekit_keyd_core::grants::Grants;
use livekit_keyd_core::policy::{Caller, Policy, Profile, RoomConfigRule};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::fixtures::{caller, decide, globs, patterns};

/// A list of patterns, and by their meaning alone what fits them.
type Bound = (&'static [&'static str], fn(&str, &str) -> bool);

const ROOMS: [Bound; 4] = [
    (&[], |_, _| false),
    (&["team-*"], |room, _| room.starts_with("team-")),
    (&["home-{identity}", "{caller}"], |room, identity| room == format!("home-{identity}") || room == "web"),
    (&["?"], |room, _| room.chars().count() == 1),
];
const IDENTITIES: [Bound; 3] = [
    (&[], |_, _| false),
    (&["*"], |_, _| true),
    (&["{caller}-*", "alice"], |identity, _| identity.starts_with("web-") || identity == "alice"),
];

fn seconds() -> impl Strategy<Value = Option<u64>> {
    option::of(1..10_000_u64)
}

/// A text that often fits and often does not.
fn name() -> impl Strategy<Value = String> {
    let usual = [
        "alice",
        "bob",
        "web",
        "web-1",
        "team-a",
        "team-",
        "home-alice",
        "home-bob",
        "home-*",
        "*",
        "x",
        "\u{fc}",
    ];
    prop_oneof![3 => select(usual.to_vec()).prop_map(str::to_owned), 1 => "[a-z*?{}-]{1,8}"]
}

#[test]
fn nothing_leaves_the_bounds_of_profile_and_caller() {
    let rules = [RoomConfigRule::Refused, RoomConfigRule::WithoutEgress, RoomConfigRule::Any];
    let bounds =
        (0..ROOMS.len(), 0..IDENTITIES.len(), option::of(select(&Kind::ALL[..])), select(rules.to_vec()));
    let lives = (seconds(), seconds(), seconds(), seconds(), seconds());
    let grants = prop_oneof![
        3 => Just(json!({"video": {"roomJoin": true}})),
        1 => Just(json!({"video": {"roomAdmin": true}})),
        1 => Just(json!({"sip": {"call": true}})),
    ];
    let asked = (
        option::weighted(0.9, name()),
        option::weighted(0.9, name()),
        option::weighted(0.1, select(&Kind::ALL[..])),
        option::weighted(0.2, select(&["emptyTimeout", "egress"][..])),
    );
    let input = (bounds, lives, any::<bool>(), grants, asked);
    let approvals = Cell::new(0);
    let config = Config { cases: 4000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&input, |(bounds, lives, by_profile, grants, asked)| {
        let (rooms, identities, kind, room_config) = bounds;
        let (room, identity, asked_kind, asked_config) = asked;
        let (ttl, profile_ttl, profile_most, caller_ttl, caller_most) = lives;
        let life = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let ((rooms, room_fits), (identities, identity_fits)) = (ROOMS[rooms], IDENTITIES[identities]);
        let caller = Caller {
            allowed_rooms: globs(rooms),
            allowed_identities: globs(identities),
            allowed_grants: patterns(&["video.*", "sip.call"]),
            ttl: life(caller_ttl),
            max_ttl: life(caller_most),
            ..caller()
        };
        let profile = Profile {
            grants: serde_json::from_value::<Grants>(grants.clone()).expect("grants"),
            kind,
            ttl: life(profile_ttl),
            max_ttl: life(profile_most),
            allowed_room_config: room_config,
            ..Profile::default()
        };
        let policy = Policy::new(caller, if by_profile { vec![profile] } else { vec![] }, None);
        let mut request = json!({});
        for (member, value) in [
            ("room", room.clone().map(|room| json!(room))),
            ("identity", identity.clone().map(|identity| json!(identity))),
            ("kind", asked_kind.map(|kind| json!(kind.as_str()))),
            (
                "room_config",
                asked_config
                    .map(|name| if name == "egress" { json!({"egress": {}}) } else { json!({name: 1}) }),
            ),
            ("ttl", ttl.map(|ttl| json!(ttl))),
            ("grants", (!by_profile).then(|| grants.clone())),
        ] {
            if let Some(value) = value {
                request[member] = value;
            }
        }
        let Ok(approved) = decide(&policy, &request) else { return Ok(()) };
        approvals.set(approvals.get() + 1);
        let (room, identity) = (room.unwrap_or_default(), identity.unwrap_or_default());
        prop_assert!(room.is_empty() || room_fits(&room, &identity), "room {room} of {identity}");
        prop_assert!(identity.is_empty() || identity_fits(&identity, ""), "identity {identity}");
        prop_assert_eq!(&approved.grants.video.room, &room);
        prop_assert_eq!(&approved.participant.identity, &identity);
        let most = [ttl, caller_most, profile_most.filter(|_| by_profile)];
        for most in most.into_iter().flatten() {
            prop_assert!(approved.ttl.granted <= Duration::from_secs(most), "{:?}", approved.ttl);
        }
        let own = kind.filter(|_| by_profile).unwrap_or_default();
        prop_assert_eq!(approved.participant.kind, own, "none but the profile's");
        let rule = if by_profile { room_config } else { RoomConfigRule::Refused };
        match approved.participant.room_config {
            None => prop_assert!(asked_config.is_none(), "never dropped"),
            Some(config) => {
                prop_assert!(rule != RoomConfigRule::Refused);
                prop_assert!(rule == RoomConfigRule::Any || !config.contains_key("egress"));
            }
        }
        Ok(())
    });
    outcome.expect("the property holds");
    assert!(approvals.get() > 100, "only {} of 4000 were approved", approvals.get());
}
