//! What is signed: claims in LiveKit's form, and none that LiveKit would refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::claims::{
    Claims, Kind, LONGEST_ATTRIBUTES, LONGEST_METADATA, Origin, Participant, room_config,
};
use livekit_keyd_core::grants::{Grants, VideoGrant};
use livekit_keyd_core::problem::{Problem, ProblemKind};
use livekit_keyd_core::time::Time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

fn grants(grants: Value) -> Grants {
    serde_json::from_value(grants).expect("grants")
}

fn signed(participant: &Participant, grants: &Grants) -> Result<Value, Problem> {
    let now = Time::from_millis(1_800_000_000_999);
    let origin = Origin { profile: "", caller: "web", issuer: "", auth_time: now.as_secs() };
    let claims = Claims::new("APIone", participant, grants, origin, now, now + Duration::from_secs(900))?;
    Ok(serde_json::to_value(&claims).expect("JSON"))
}

/// The least that a token says.
fn bare() -> Value {
    json!({
        "iss": "APIone", "nbf": 1_800_000_000, "exp": 1_800_000_900,
        "livekit_keyd": {"caller": "web", "auth_time": 1_800_000_000},
    })
}

#[test]
fn what_is_empty_or_unset_is_left_out_and_times_are_whole() {
    assert_eq!(signed(&Participant::default(), &Grants::default()).expect("accepted"), bare());
    let silent = grants(json!({
        "video": {"roomJoin": false, "hidden": false, "room": "", "canPublishSources": []},
        "sip": {"admin": false}, "agent": {}, "agentThread": {"threadIds": [], "all": false},
    }));
    assert_eq!(signed(&Participant::default(), &silent).expect("accepted"), bare());
}

#[test]
fn false_is_written_where_unset_means_something_else() {
    for name in [
        "canPublish",
        "canSubscribe",
        "canPublishData",
        "canUpdateOwnMetadata",
        "canSubscribeMetrics",
        "canManageAgentSession",
    ] {
        for value in [true, false] {
            let video = json!({"video": {name: value}});
            let claims = signed(&Participant::default(), &grants(video.clone())).expect("accepted");
            assert_eq!(claims["video"], video["video"]);
        }
    }
}

#[test]
fn everything_at_once() {
    let participant = Participant {
        identity: "alice".to_owned(),
        name: "Alice".to_owned(),
        kind: Kind::Agent,
        kind_details: vec!["cloud_agent".to_owned()],
        metadata: "m".to_owned(),
        attributes: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        room_config: Some(object(json!({"emptyTimeout": 60}))),
        room_preset: "small".to_owned(),
        sha256: "hash".to_owned(),
    };
    let own = json!({
        "video": {"roomJoin": true, "room": "demo"}, "sip": {"call": true}, "agent": {"dispatchAdmin": true},
        "agentEndpoint": {"call": true, "agentName": "helper"}, "agentThread": {"all": true},
        "inference": {"perform": true}, "observability": {"write": true},
    });
    let mut expected = bare();
    let members = expected.as_object_mut().expect("an object");
    members.extend(object(own.clone()));
    members.extend(object(json!({
        "sub": "alice", "name": "Alice", "kind": "agent", "kindDetails": ["cloud_agent"], "metadata": "m",
        "attributes": {"a": "b"}, "roomConfig": {"emptyTimeout": 60}, "roomPreset": "small", "sha256": "hash",
    })));
    assert_eq!(signed(&participant, &grants(own)).expect("accepted"), expected);
}

#[test]
fn what_livekit_would_refuse_cannot_be_made() {
    let alice = || Participant { identity: "alice".to_owned(), ..Participant::default() };
    let with_config = |config: Value| Participant { room_config: Some(object(config)), ..alice() };
    let video = |video: Value| grants(json!({"video": video}));
    let long = "x".repeat(257);
    let attributes = |bytes| BTreeMap::from([("a".to_owned(), "x".repeat(bytes - 1))]);
    for (participant, grants, pointer) in [
        (alice(), video(json!({"roomJoin": true})), "/room"),
        (Participant::default(), video(json!({"roomJoin": true, "room": "a"})), "/identity"),
        (alice(), video(json!({"roomAdmin": true})), "/room"),
        (alice(), video(json!({"roomAdmin": true, "room": "*"})), "/room"),
        (alice(), video(json!({"room": long})), "/room"),
        (Participant { identity: long, ..alice() }, Grants::default(), "/identity"),
        (
            Participant { metadata: "x".repeat(LONGEST_METADATA + 1), ..alice() },
            Grants::default(),
            "/metadata",
        ),
        (
            Participant { attributes: attributes(LONGEST_ATTRIBUTES + 1), ..alice() },
            Grants::default(),
            "/attributes",
        ),
        (with_config(json!({"tags": {"a": 1}})), Grants::default(), "/room_config/tags"),
    ] {
        let problem = signed(&participant, &grants).expect_err(pointer);
        assert_eq!((problem.kind, problem.pointer.as_str()), (ProblemKind::NotAToken, pointer));
        assert!(problem.detail.contains("LiveKit"), "{}", problem.detail);
    }
    let most = Participant {
        identity: "x".repeat(256),
        metadata: "x".repeat(LONGEST_METADATA),
        attributes: attributes(LONGEST_ATTRIBUTES),
        ..alice()
    };
    signed(&most, &video(json!({"roomJoin": true, "room": "x".repeat(256)}))).expect("at the limits");
    signed(&Participant::default(), &video(json!({"roomList": true}))).expect("needs no identity");
}

#[test]
fn every_known_field_of_a_room_configuration_has_its_type() {
    let full = json!({
        "name": "a", "emptyTimeout": 1, "departureTimeout": 2, "maxParticipants": 3, "metadata": "m",
        "egress": {}, "minPlayoutDelay": 4, "maxPlayoutDelay": 4_294_967_295_u32, "syncStreams": true,
        "tags": {"a": "b"}, "agents": [],
    });
    let agent = json!({
        "agentName": "a", "metadata": "m", "restartPolicy": "JRP_NEVER", "deployment": "blue",
        "attributes": {"a": "b"}, "threadId": "AT_1",
    });
    let check = |config: &Value| room_config::check(config.as_object().expect("an object"));
    assert_eq!(check(&full), Ok(()));
    assert_eq!(check(&json!({"agents": [agent]})), Ok(()));
    for wrong in [json!(null), json!(-1), json!(1.5), json!([1]), json!({"a": 1}), json!(4_294_967_296_u64)] {
        for name in full.as_object().expect("an object").keys() {
            if name == "egress" && wrong.is_object() {
                continue;
            }
            let mut config = full.clone();
            config[name] = wrong.clone();
            assert_eq!(check(&config).expect_err(name).pointer, format!("/{name}"), "{wrong}");
        }
        for name in agent.as_object().expect("an object").keys() {
            let mut one = agent.clone();
            one[name] = wrong.clone();
            let refused = check(&json!({"agents": [agent, one]})).expect_err(name);
            assert_eq!(refused.pointer, format!("/agents/1/{name}"), "{wrong}");
        }
    }
    let twice = check(&json!({"emptyTimeout": 1, "empty_timeout": 1})).expect_err("protobuf refuses it");
    assert_eq!(twice.pointer, "/empty_timeout");
    assert_eq!(check(&json!({"empty_timeout": [1]})).expect_err("in either case").pointer, "/empty_timeout");
}

fn any_flag() -> impl Strategy<Value = Option<bool>> {
    proptest::option::of(any::<bool>())
}

proptest! {
    /// What is signed is read back as it was, but for flags of which unset and false mean the same.
    #[test]
    fn grants_survive_being_signed(
        three in proptest::array::uniform6(any_flag()),
        two in proptest::array::uniform4(any_flag()),
        room in "[a-z]{1,8}",
    ) {
        let video = VideoGrant {
            can_publish: three[0],
            can_subscribe: three[1],
            can_publish_data: three[2],
            can_update_own_metadata: three[3],
            can_subscribe_metrics: three[4],
            can_manage_agent_session: three[5],
            hidden: two[0],
            recorder: two[1],
            room_list: two[2],
            room_admin: two[3],
            room,
            ..VideoGrant::default()
        };
        let own = Grants { video, ..Grants::default() };
        let claims = signed(&Participant::default(), &own).expect("accepted");
        let read: VideoGrant = serde_json::from_value(claims["video"].clone()).expect("a grant");
        let known = |flag: Option<bool>| flag.filter(|flag| *flag);
        let expected = VideoGrant {
            hidden: known(two[0]),
            recorder: known(two[1]),
            room_list: known(two[2]),
            room_admin: known(two[3]),
            ..own.video
        };
        prop_assert_eq!(read, expected);
    }
}
