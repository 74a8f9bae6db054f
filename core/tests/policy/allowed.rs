//! What is allowed, and for how long.

use livekit_keyd_core::policy::{Approved, Caller, LimitedBy, Policy};
use serde_json::{Value, json};

use crate::fixtures::{caller, decide, minutes, policy, profile, within};

/// What is approved, as JSON.
fn shown(approved: Approved) -> Value {
    json!({
        "grants": approved.grants, "kind": approved.participant.kind, "profile": approved.profile,
        "metadata": approved.participant.metadata, "attributes": approved.participant.attributes,
        "room_config": approved.participant.room_config, "ttl": approved.ttl.granted.as_secs(),
    })
}

#[test]
fn what_is_allowed() {
    let join = |room: &str| json!({"video": {"roomJoin": true, "room": room}});
    let request = |grants: Value| json!({"identity": "alice", "room": "team-a", "grants": grants});
    for (policy, request, member, value) in [
        (policy(&[]), json!({}), "grants", json!({})),
        (policy(&[]), request(json!({"video": {"roomJoin": true}})), "grants", join("team-a")),
        (policy(&[]), json!({"identity": "alice", "room": "home-alice"}), "profile", json!("")),
        (policy(&[]), json!({"identity": "a@example.org", "room": "web"}), "ttl", json!(900)),
        (policy(&[]), json!({"kind": "standard"}), "kind", json!("standard")),
        (
            policy(&[]),
            json!({"grants": {"video": {"canPublish": false, "canPublishData": true}}}),
            "grants",
            json!({"video": {"canPublish": false, "canPublishData": true}}),
        ),
        (
            policy(&[]),
            request(json!({"video": {"destinationRoom": "team-b"}})),
            "grants",
            json!({"video": {"room": "team-a", "destinationRoom": "team-b"}}),
        ),
        // A caller's only profile needs no name; of two, none is meant.
        (policy(&["viewer"]), json!({"identity": "alice", "room": "team-a"}), "profile", json!("viewer")),
        (policy(&["viewer", "robot"]), json!({}), "profile", json!("")),
        (
            policy(&["viewer"]),
            request(json!({"video": {"canSubscribe": false}})),
            "grants",
            json!({"video": {"roomJoin": true, "room": "team-a", "canPublish": false, "canSubscribe": false}}),
        ),
        (
            policy(&["viewer"]),
            request(json!({"video": {"canSubscribe": true, "roomJoin": true}})),
            "grants",
            json!({"video": {"roomJoin": true, "room": "team-a", "canPublish": false, "canSubscribe": true}}),
        ),
        (
            policy(&["speaker"]),
            request(json!({"video": {"canPublishSources": ["microphone"]}})),
            "grants",
            json!({"video": {"roomJoin": true, "room": "team-a", "canPublishSources": ["microphone"]}}),
        ),
        (policy(&["stage"]), json!({"identity": "alice"}), "grants", join("team-stage")),
        (
            policy(&["stage"]),
            json!({"identity": "alice", "room": "team-stage"}),
            "grants",
            join("team-stage"),
        ),
        (
            policy(&["stage"]),
            json!({"identity": "alice", "metadata": "by the profile", "attributes": {"own": "1"}}),
            "attributes",
            json!({"own": "1", "tier/1": "paid"}),
        ),
        (policy(&["stage"]), json!({"identity": "alice"}), "metadata", json!("by the profile")),
        (policy(&["stage"]), json!({"identity": "alice"}), "room_config", json!({"emptyTimeout": 60})),
        (policy(&["robot"]), json!({}), "kind", json!("agent")),
        (policy(&["robot"]), json!({"kind": "agent"}), "kind", json!("agent")),
        (policy(&["robot"]), json!({"room_config": {"name": "a"}}), "room_config", json!({"name": "a"})),
        (
            policy(&["robot"]),
            json!({"grants": {"agent": {"admin": false}, "agentThread": {"all": false, "threadIds": ["AT_9"]}}}),
            "grants",
            json!({"agent": {}, "agentThread": {"read": true, "threadIds": ["AT_9"]}}),
        ),
        (policy(&["recorder"]), json!({"room_config": {"egress": {}}}), "room_config", json!({"egress": {}})),
        (
            policy(&["threads"]),
            json!({"grants": {"agentThread": {"threadIds": ["AT_2"]}, "agentEndpoint": {"deployment": "blue"}}}),
            "grants",
            json!({"agentThread": {"read": true, "list": true, "scope": "team", "threadIds": ["AT_2"]},
                   "agentEndpoint": {"call": true, "agentName": "helper", "deployment": "blue"}}),
        ),
        (
            policy(&["mover"]),
            json!({"room": "team-a"}),
            "grants",
            json!({"video": {"roomAdmin": true, "room": "team-a", "destinationRoom": "team-b"}}),
        ),
        (within(&["video.*"], &[]), json!({"grants": {"video": {"agent": true}}}), "profile", json!("")),
        (within(&["kind.agent", "agent.*", "agentThread.*"], &["robot"]), json!({}), "kind", json!("agent")),
        (within(&["roomConfig"], &[]), json!({"room_config": {}}), "room_config", json!({})),
    ] {
        let approved = decide(&policy, &request);
        let approved =
            shown(approved.unwrap_or_else(|problem| unreachable!("{request}: {}", problem.detail)));
        assert_eq!(approved[member], value, "{request}");
    }
}

#[test]
fn a_life_is_shortened_and_never_lengthened() {
    let bounded = |ttl, max_ttl, profiles: &[&str]| {
        let caller = Caller { ttl, max_ttl, ..caller() };
        Policy::new(caller, profiles.iter().map(|name| profile(name)).collect(), None)
    };
    let whom = json!({"identity": "alice", "room": "team-a"});
    for (policy, asked, granted, limited_by) in [
        (bounded(None, None, &[]), None, 15, None),
        (bounded(Some(minutes(5)), None, &[]), None, 5, None),
        (bounded(Some(minutes(5)), None, &["speaker"]), None, 10, None),
        (bounded(None, None, &[]), Some("8h"), 480, None),
        (bounded(None, None, &["speaker"]), Some("1m"), 1, None),
        (bounded(None, None, &["speaker"]), Some("30m"), 30, None),
        (bounded(None, None, &["speaker"]), Some("31m"), 30, Some(LimitedBy::Profile)),
        (bounded(None, Some(minutes(20)), &["speaker"]), Some("31m"), 20, Some(LimitedBy::Caller)),
        (bounded(None, Some(minutes(40)), &["speaker"]), Some("31m"), 30, Some(LimitedBy::Profile)),
        (bounded(None, Some(minutes(20)), &[]), Some("365d"), 20, Some(LimitedBy::Caller)),
        // Nobody asked, so nothing is said.
        (bounded(None, Some(minutes(2)), &[]), None, 2, None),
    ] {
        let mut request = whom.clone();
        request["ttl"] = json!(asked);
        let ttl = decide(&policy, &request).expect("approved").ttl;
        assert_eq!((ttl.granted, ttl.limited_by), (minutes(granted), limited_by), "{asked:?}");
    }
    let huge = decide(&bounded(None, None, &[]), &json!({"ttl": 10u64.pow(18)})).expect("approved").ttl;
    let shortened = huge.limit(minutes(60), LimitedBy::Keyset).limit(minutes(59), LimitedBy::Lease);
    assert_eq!((shortened.granted, shortened.limited_by), (minutes(59), Some(LimitedBy::Lease)));
}
