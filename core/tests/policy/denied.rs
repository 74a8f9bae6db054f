//! What is denied, by which rule, and what the refusal says.

use livekit_keyd_core::policy::{Caller, Policy};
use livekit_keyd_core::problem::ProblemKind;
use serde_json::{Value, json};

use crate::fixtures::{decide, policy, within};

#[test]
fn what_is_denied_and_by_which_rule() {
    let request = |grants: Value| json!({"identity": "alice", "room": "team-a", "grants": grants});
    let egress = json!({"room_config": {"egress": {"room": {}}}});
    for (policy, request, rule, pointer, sentence) in [
        // The profile's name.
        (policy(&[]), json!({"profile": "viewer"}), "profiles", "/profile", "caller `web` has no profiles"),
        (
            policy(&["viewer", "stage"]),
            json!({"profile": "robot"}),
            "profiles",
            "/profile",
            "it may use: stage, viewer",
        ),
        // Without a profile.
        (
            policy(&[]),
            request(json!({"video": {"roomList": true}})),
            "allowed_grants",
            "/grants/video/roomList",
            "may not grant video.roomList: it is not in its allowed_grants (it has: video.roomJoin, video.canPublishData",
        ),
        (
            policy(&[]),
            json!({"grants": {"agent": {"admin": true}}}),
            "allowed_grants",
            "/grants/agent/admin",
            "agent.admin",
        ),
        (
            policy(&["viewer", "stage"]),
            json!({"grants": {"video": {"hidden": true}}}),
            "allowed_grants",
            "/grants/video/hidden",
            "name a profile, or extend the list",
        ),
        // Beyond a profile.
        (
            policy(&["viewer"]),
            request(json!({"video": {"canPublish": true}})),
            "profile",
            "/grants/video/canPublish",
            "video.canPublish reaches further than profile `viewer`: the profile does not have it",
        ),
        // Data follows canPublish, which the profile forbids.
        (
            policy(&["viewer"]),
            request(json!({"video": {"canPublishData": true}})),
            "profile",
            "/grants/video/canPublishData",
            "viewer",
        ),
        (
            policy(&["viewer"]),
            request(json!({"video": {"roomAdmin": true}})),
            "profile",
            "/grants/video/roomAdmin",
            "viewer",
        ),
        (
            policy(&["viewer"]),
            request(json!({"sip": {"call": true}})),
            "profile",
            "/grants/sip/call",
            "viewer",
        ),
        (
            policy(&["speaker"]),
            request(json!({"video": {"canPublishSources": ["camera", "screen_share"]}})),
            "profile",
            "/grants/video/canPublishSources",
            "the profile has camera, microphone",
        ),
        // No source in the list means every source.
        (
            policy(&["speaker"]),
            request(json!({"video": {"canPublishSources": []}})),
            "profile",
            "/grants/video/canPublishSources",
            "speaker",
        ),
        (
            policy(&["stage"]),
            json!({"identity": "alice", "room": "team-a"}),
            "profile",
            "/room",
            "for room `team-stage` only",
        ),
        (
            policy(&["stage"]),
            json!({"identity": "alice", "metadata": "own"}),
            "profile",
            "/metadata",
            "sets metadata itself",
        ),
        (
            policy(&["stage"]),
            json!({"identity": "alice", "attributes": {"tier/1": "free"}}),
            "profile",
            "/attributes/tier~11",
            "sets attribute `tier/1` itself",
        ),
        (
            policy(&["threads"]),
            json!({"grants": {"agentThread": {"scope": "other"}}}),
            "profile",
            "/grants/agentThread/scope",
            "the profile has `team`",
        ),
        (
            policy(&["threads"]),
            json!({"grants": {"agentThread": {"threadIds": ["AT_3"]}}}),
            "profile",
            "/grants/agentThread/threadIds",
            "AT_1",
        ),
        (
            policy(&["threads"]),
            json!({"grants": {"agentThread": {"all": true}}}),
            "profile",
            "/grants/agentThread/all",
            "threads",
        ),
        (
            policy(&["threads"]),
            json!({"grants": {"agentEndpoint": {"agentName": "b"}}}),
            "profile",
            "/grants/agentEndpoint/agentName",
            "`helper`",
        ),
        // No thread and no scope in a profile means none.
        (
            policy(&["no-threads"]),
            json!({"grants": {"agentThread": {"threadIds": ["AT_3"]}}}),
            "profile",
            "/grants/agentThread/threadIds",
            "the profile has none",
        ),
        (
            policy(&["no-threads"]),
            json!({"grants": {"agentThread": {"scope": "team"}}}),
            "profile",
            "/grants/agentThread/scope",
            "the profile has none",
        ),
        (
            policy(&["mover"]),
            json!({"room": "team-a", "grants": {"video": {"destinationRoom": "team-c"}}}),
            "profile",
            "/grants/video/destinationRoom",
            "team-b",
        ),
        (
            policy(&["viewer"]),
            request(json!({"video": {"destinationRoom": "team-c"}})),
            "profile",
            "/grants/video/destinationRoom",
            "the profile has none",
        ),
        // The keyset.
        (
            within(&["video.roomJoin"], &[]),
            json!({"grants": {"sip": {"call": true}}}),
            "keyset.allowed_grants",
            "/grants/sip/call",
            "sip.call is not in the keyset's allowed_grants, which has: video.roomJoin",
        ),
        (
            within(&["sip.*"], &["viewer"]),
            json!({"identity": "a", "room": "b"}),
            "keyset.allowed_grants",
            "/grants/video/roomJoin",
            "keyset",
        ),
        (
            within(&[], &[]),
            json!({"grants": {"video": {"agent": true}}}),
            "keyset.allowed_grants",
            "/grants/video/agent",
            "keyset",
        ),
        (
            within(&["video.*"], &[]),
            json!({"kind": "agent"}),
            "keyset.allowed_grants",
            "/kind",
            "kind.agent is not in the keyset's",
        ),
        (
            within(&["agent.*", "agentThread.*"], &["robot"]),
            json!({}),
            "keyset.allowed_grants",
            "/kind",
            "kind.agent",
        ),
        (
            within(&["video.*"], &[]),
            json!({"room_config": {}}),
            "keyset.allowed_grants",
            "/room_config",
            "roomConfig is not in the keyset's",
        ),
        // Rooms and identities.
        (
            policy(&[]),
            json!({"room": "demo"}),
            "allowed_rooms",
            "/room",
            "may not use room `demo`; it may use: `team-*`, `home-{identity}`",
        ),
        (policy(&[]), json!({"identity": "alice", "room": "home-bob"}), "allowed_rooms", "/room", "home-bob"),
        (
            policy(&[]),
            json!({"grants": {"video": {"destinationRoom": "demo"}}}),
            "allowed_rooms",
            "/grants/video/destinationRoom",
            "may not use room `demo`",
        ),
        (
            policy(&[]),
            json!({"identity": "bob"}),
            "allowed_identities",
            "/identity",
            "may not use identity `bob`; it may use: `*@example.org`",
        ),
        (
            Policy::new(Caller::default(), vec![], None),
            json!({"room": "a"}),
            "allowed_rooms",
            "/room",
            "it may use: none",
        ),
        (
            Policy::new(Caller::default(), vec![], None),
            json!({"identity": "a"}),
            "allowed_identities",
            "/identity",
            "it may use: none",
        ),
        // The kind.
        (policy(&[]), json!({"kind": "agent"}), "kind", "/kind", "may not ask for kind.agent"),
        (
            policy(&["robot"]),
            json!({"kind": "egress"}),
            "kind",
            "/kind",
            "profile `robot` is for kind `agent`",
        ),
        (
            policy(&["robot"]),
            json!({"kind": "standard"}),
            "kind",
            "/kind",
            "profile `robot` is for kind `agent`",
        ),
        // How the room is made.
        (
            policy(&[]),
            json!({"room_config": {}}),
            "allowed_room_config",
            "/room_config",
            "unless a profile has allowed_room_config",
        ),
        (
            policy(&["viewer"]),
            json!({"identity": "alice", "room": "team-a", "room_config": {}}),
            "allowed_room_config",
            "/room_config",
            "refused",
        ),
        (
            policy(&["robot"]),
            egress.clone(),
            "allowed_room_config",
            "/room_config/egress",
            "storage credentials",
        ),
        (
            within(&["*"], &[]),
            egress.clone(),
            "allowed_room_config",
            "/room_config/egress",
            "storage credentials",
        ),
    ] {
        let problem = decide(&policy, &request).expect_err(&request.to_string());
        assert_eq!(
            (problem.kind, problem.rule),
            (ProblemKind::Denied, rule),
            "{request}: {}",
            problem.detail
        );
        assert_eq!(problem.pointer, pointer, "{request}: {}", problem.detail);
        assert!(problem.detail.contains(sentence), "{request}: {}", problem.detail);
    }
}

#[test]
fn what_livekit_would_refuse() {
    for (grants, members, pointer, sentence) in [
        (json!({"roomJoin": true}), json!({"identity": "alice"}), "/room", "roomJoin needs a `room`"),
        (json!({"roomJoin": true}), json!({"room": "a"}), "/identity", "roomJoin needs an `identity`"),
        (json!({"roomAdmin": true}), json!({}), "/room", "roomAdmin is for one `room`"),
        (json!({"roomAdmin": true}), json!({"room": "*"}), "/room", "neither none nor `*`"),
    ] {
        let mut request = members;
        request["grants"] = json!({"video": grants});
        let problem = decide(&within(&["*"], &[]), &request).expect_err(&request.to_string());
        assert_eq!((problem.kind, problem.pointer.as_str()), (ProblemKind::NotAToken, pointer), "{request}");
        assert!(problem.detail.contains(sentence), "{}", problem.detail);
    }
}
