//! A caller, profiles of every kind, and a short way to ask.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::claims::Kind;
use livekit_keyd_core::grants::{GrantPattern, Grants};
use livekit_keyd_core::policy::{Approved, Caller, Glob, Policy, Profile, RoomConfigRule};
use livekit_keyd_core::problem::Problem;
use livekit_keyd_core::request::TokenRequest;
use serde_json::{Map, Value, json};

pub(crate) fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::parse(pattern).expect("a pattern")).collect()
}

pub(crate) fn patterns(names: &[&str]) -> Vec<GrantPattern> {
    names.iter().map(|name| GrantPattern::parse(name).expect("a grant")).collect()
}

pub(crate) fn grants(grants: Value) -> Grants {
    serde_json::from_value(grants).expect("grants")
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

/// Profiles of every kind.
pub(crate) fn profile(name: &str) -> Profile {
    let named = Profile { name: name.to_owned(), ..Profile::default() };
    match name {
        "viewer" => {
            Profile { grants: grants(json!({"video": {"roomJoin": true, "canPublish": false}})), ..named }
        }
        "speaker" => Profile {
            grants: grants(
                json!({"video": {"roomJoin": true, "canPublishSources": ["camera", "microphone"]}}),
            ),
            ttl: Some(minutes(10)),
            max_ttl: Some(minutes(30)),
            ..named
        },
        "stage" => Profile {
            grants: grants(json!({"video": {"roomJoin": true, "room": "team-stage"}})),
            metadata: Some("by the profile".to_owned()),
            attributes: BTreeMap::from([("tier/1".to_owned(), "paid".to_owned())]),
            room_config: Some(object(json!({"emptyTimeout": 60}))),
            ..named
        },
        "robot" => Profile {
            grants: grants(json!({"agent": {"admin": true}, "agentThread": {"all": true, "read": true}})),
            kind: Some(Kind::Agent),
            allowed_room_config: RoomConfigRule::WithoutEgress,
            ..named
        },
        "recorder" => Profile {
            grants: grants(json!({"video": {"roomRecord": true, "hidden": true}})),
            allowed_room_config: RoomConfigRule::Any,
            ..named
        },
        "threads" => Profile {
            grants: grants(json!({
                "agentThread": {"read": true, "list": true, "scope": "team", "threadIds": ["AT_1", "AT_2"]},
                "agentEndpoint": {"call": true, "agentName": "helper"},
            })),
            ..named
        },
        // May read threads, and is told none.
        "no-threads" => Profile { grants: grants(json!({"agentThread": {"read": true}})), ..named },
        "mover" => Profile {
            grants: grants(json!({"video": {"roomAdmin": true, "destinationRoom": "team-b"}})),
            ..named
        },
        other => unreachable!("no profile {other}"),
    }
}

/// Everything but profiles is allowed in rooms of a team.
pub(crate) fn caller() -> Caller {
    Caller {
        name: "web".to_owned(),
        allowed_rooms: globs(&["team-*", "home-{identity}", "{caller}"]),
        allowed_identities: globs(&["*@example.org", "alice"]),
        allowed_grants: patterns(&[
            "video.roomJoin",
            "video.canPublishData",
            "video.destinationRoom",
            "sip.*",
        ]),
        ..Caller::default()
    }
}

pub(crate) fn policy(profiles: &[&str]) -> Policy {
    Policy::new(caller(), profiles.iter().map(|name| profile(name)).collect(), None)
}

/// Of a caller that may have everything, within a keyset.
pub(crate) fn within(keyset: &[&str], profiles: &[&str]) -> Policy {
    let all = Caller {
        allowed_rooms: globs(&["*"]),
        allowed_identities: globs(&["*"]),
        allowed_grants: patterns(&["*"]),
        ..caller()
    };
    Policy::new(all, profiles.iter().map(|name| profile(name)).collect(), Some(patterns(keyset)))
}

pub(crate) fn decide(policy: &Policy, request: &Value) -> Result<Approved, Problem> {
    policy.decide(TokenRequest::parse(request.to_string().as_bytes()).expect("a request"))
}
