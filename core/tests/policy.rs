//! What policy lets be signed: each rule by examples, and by properties over generated policies and requests.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::claims::Kind;
use livekit_keyd_core::grants::{GrantPattern, Grants, VideoGrant};
use livekit_keyd_core::policy::{Approved, Caller, Glob, LimitedBy, Policy, Profile, RoomConfigRule};
use livekit_keyd_core::problem::{Problem, ProblemKind};
use livekit_keyd_core::request::TokenRequest;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::parse(pattern).expect("a pattern")).collect()
}

fn patterns(names: &[&str]) -> Vec<GrantPattern> {
    names.iter().map(|name| GrantPattern::parse(name).expect("a grant")).collect()
}

fn grants(grants: Value) -> Grants {
    serde_json::from_value(grants).expect("grants")
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

/// Profiles of every kind.
fn profile(name: &str) -> Profile {
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
fn caller() -> Caller {
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

fn policy(profiles: &[&str]) -> Policy {
    Policy::new(caller(), profiles.iter().map(|name| profile(name)).collect(), None)
}

/// Of a caller that may have everything, within a keyset.
fn within(keyset: &[&str], profiles: &[&str]) -> Policy {
    let all = Caller {
        allowed_rooms: globs(&["*"]),
        allowed_identities: globs(&["*"]),
        allowed_grants: patterns(&["*"]),
        ..caller()
    };
    Policy::new(all, profiles.iter().map(|name| profile(name)).collect(), Some(patterns(keyset)))
}

fn decide(policy: &Policy, request: &Value) -> Result<Approved, Problem> {
    policy.decide(TokenRequest::parse(request.to_string().as_bytes()).expect("a request"))
}

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
        let approved = shown(decide(&policy, &request).expect(&request.to_string()));
        assert_eq!(approved[member], value, "{request}");
    }
}

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
            "it may use: viewer, stage",
        ),
        // Without a profile.
        (
            policy(&[]),
            request(json!({"video": {"roomList": true}})),
            "allowed_grants",
            "/grants/video/roomList",
            "may not grant video.roomList: it is not in its allowed_grants",
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
            "the profile has",
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
            "sip.call is not in the keyset's allowed_grants",
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

/// The names of all flags, `group.flag`.
fn flags() -> Vec<String> {
    let others = |name: &String| {
        name.starts_with("kind.") || ["roomConfig", "video.destinationRoom"].contains(&name.as_str())
    };
    GrantPattern::known().into_iter().filter(|name| !others(name)).collect()
}

/// A flag of grants as they are written; unset is `None`.
fn flag(grants: &Value, name: &str) -> Option<bool> {
    let (group, flag) = name.split_once('.').expect("a group");
    grants[group][flag].as_bool()
}

/// What LiveKit takes a flag for, by its documentation alone.
fn effective(grants: &Value, name: &str) -> bool {
    flag(grants, name).unwrap_or_else(|| match name {
        "video.canPublish" | "video.canSubscribe" => true,
        "video.canPublishData" => effective(grants, "video.canPublish"),
        _ => false,
    })
}

/// Flags, lists and texts of every group. `often` is the share of what is set, in percent.
fn any_grants(often: u32) -> impl Strategy<Value = Value> {
    let names = flags();
    let set = prop_oneof![
        100 - often => Just(None),
        often / 2 => Just(Some(false)),
        often - often / 2 => Just(Some(true)),
    ];
    let some =
        |texts: &'static [&'static str]| proptest::option::weighted(0.3, proptest::sample::select(texts));
    let list = |texts: &'static [&'static str]| {
        proptest::option::weighted(0.3, proptest::sample::subsequence(texts, 0..=texts.len()))
    };
    let texts = (
        some(&["helper", "other"]),
        some(&["blue", "green"]),
        some(&["team", "club"]),
        some(&["team-b", "team-c"]),
        list(&["AT_1", "AT_2", "AT_3"]),
        list(&["camera", "microphone", "screen_share"]),
    );
    (proptest::collection::vec(set, names.len()), texts).prop_map(move |(values, texts)| {
        let mut grants = json!({});
        for (name, value) in names.iter().zip(values) {
            let (group, flag) = name.split_once('.').expect("a group");
            if let Some(value) = value {
                grants[group][flag] = json!(value);
            }
        }
        let (agent, deployment, scope, destination, threads, sources) = texts;
        for (group, member, value) in [
            ("agentEndpoint", "agentName", agent.map(Value::from)),
            ("agentEndpoint", "deployment", deployment.map(Value::from)),
            ("agentThread", "scope", scope.map(Value::from)),
            ("video", "destinationRoom", destination.map(Value::from)),
            ("agentThread", "threadIds", threads.map(Value::from)),
            ("video", "canPublishSources", sources.map(Value::from)),
        ] {
            if let Some(value) = value {
                grants[group][member] = value;
            }
        }
        grants
    })
}

/// What a list or a text lets through: everything or these.
fn reach(grants: &Value, group: &str, member: &str) -> Option<Vec<Value>> {
    let value = &grants[group][member];
    let these = match value {
        Value::Array(items) => items.clone(),
        Value::String(text) if !text.is_empty() => vec![value.clone()],
        _ => Vec::new(),
    };
    let everything = match (group, member) {
        ("agentThread", _) => effective(grants, "agentThread.all"),
        ("video", "destinationRoom") => false,
        _ => these.is_empty(),
    };
    if (group, member) == ("video", "canPublishSources") && !effective(grants, "video.canPublish") {
        return Some(Vec::new());
    }
    (!everything).then_some(these)
}

fn lies_within(inner: Option<Vec<Value>>, outer: Option<Vec<Value>>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.iter().all(|item| outer.contains(item)),
    }
}

const LIMITED: [(&str, &str); 6] = [
    ("video", "canPublishSources"),
    ("video", "destinationRoom"),
    ("agentEndpoint", "agentName"),
    ("agentEndpoint", "deployment"),
    ("agentThread", "scope"),
    ("agentThread", "threadIds"),
];

fn any_patterns() -> impl Strategy<Value = Vec<String>> {
    let mut names = GrantPattern::known();
    names.extend(["video.*", "sip.*", "agent.*", "agentThread.*", "agentEndpoint.*"].map(str::to_owned));
    prop_oneof![
        1 => Just(vec!["*".to_owned()]),
        2 => proptest::sample::subsequence(names.clone(), names.len() / 2..=names.len()),
        1 => proptest::sample::subsequence(names, 0..10),
    ]
}

fn parsed(names: &[String]) -> Vec<GrantPattern> {
    patterns(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whatever is beyond LiveKit's defaults must be covered by a pattern.
fn covered(approved: &Value, patterns: &[GrantPattern]) -> Result<(), TestCaseError> {
    let allows = |name: &str| patterns.iter().any(|pattern| pattern.allows(name));
    for name in flags() {
        let usual = effective(&json!({"video": {"canPublish": approved["video"]["canPublish"]}}), &name);
        let usual = if name == "video.canPublish" { true } else { usual };
        prop_assert!(usual || !effective(approved, &name) || allows(&name), "{name} in {approved}");
    }
    let moves = approved["video"]["destinationRoom"].is_string();
    prop_assert!(!moves || allows("video.destinationRoom"), "{approved}");
    Ok(())
}

/// Runs a property and sees that it was about something: enough requests were approved.
fn check<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<bool, TestCaseError>) {
    let approved = Cell::new(0);
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&strategy, |input| {
        if test(input)? {
            approved.set(approved.get() + 1);
        }
        Ok(())
    });
    outcome.expect("the property holds");
    assert!(approved.get() > 100, "only {} of 2000 were approved", approved.get());
}

fn ask(policy: &Policy, asked: &Value) -> Option<Value> {
    let request = json!({"identity": "alice", "room": "team-a", "grants": asked});
    let approved = decide(policy, &request).ok()?;
    Some(serde_json::to_value(&approved.grants).expect("JSON"))
}

#[test]
fn with_a_profile_nothing_is_granted_beyond_profile_and_keyset() {
    let input = (any_grants(70), any_grants(4), proptest::option::of(any_patterns()));
    check(input, |(own, asked, keyset)| {
        let profile = Profile { grants: grants(own.clone()), ..Profile::default() };
        let caller = Caller { allowed_rooms: globs(&["*"]), allowed_grants: vec![], ..caller() };
        let bound = keyset.as_deref().map(parsed);
        let policy = Policy::new(caller, vec![profile], bound.clone());
        let Some(approved) = ask(&policy, &asked) else { return Ok(false) };
        for name in flags() {
            prop_assert!(effective(&own, &name) || !effective(&approved, &name), "{name} in {approved}");
            if flag(&asked, &name) == Some(false) {
                prop_assert!(!effective(&approved, &name), "{name} was to be false in {approved}");
            }
            if flag(&own, &name).is_none() && flag(&asked, &name).is_none() {
                prop_assert_eq!(flag(&approved, &name), None, "{} was unset", name);
            }
        }
        for (group, member) in LIMITED {
            let (inner, outer) = (reach(&approved, group, member), reach(&own, group, member));
            prop_assert!(lies_within(inner, outer), "{group}.{member} of {own} in {approved}");
        }
        if let Some(bound) = bound {
            covered(&approved, &bound)?;
        }
        Ok(true)
    });
}

#[test]
fn without_a_profile_nothing_is_granted_beyond_caller_and_keyset() {
    let input = (any_grants(15), any_patterns(), proptest::option::of(any_patterns()));
    check(input, |(asked, own, keyset)| {
        let (own, bound) = (parsed(&own), keyset.as_deref().map(parsed));
        let caller = Caller { allowed_rooms: globs(&["*"]), allowed_grants: own.clone(), ..caller() };
        let Some(approved) = ask(&Policy::new(caller, vec![], bound.clone()), &asked) else {
            return Ok(false);
        };
        covered(&approved, &own)?;
        if let Some(bound) = bound {
            covered(&approved, &bound)?;
        }
        let mut said: VideoGrant = serde_json::from_value(asked["video"].clone()).unwrap_or_default();
        said.room = "team-a".to_owned();
        prop_assert_eq!(&approved["video"], &json!(said), "what was asked for, and what was unset unset");
        Ok(true)
    });
}

#[test]
fn a_profile_alone_is_granted_as_it_is() {
    check(any_grants(50), |own| {
        let profile = Profile { grants: grants(own), ..Profile::default() };
        let mut expected = profile.grants.clone();
        expected.video.room = "team-a".to_owned();
        let caller = Caller { allowed_rooms: globs(&["*"]), ..caller() };
        let Some(approved) = ask(&Policy::new(caller, vec![profile], None), &json!({})) else {
            return Err(TestCaseError::fail("a profile may be used"));
        };
        prop_assert_eq!(approved, json!(expected));
        Ok(true)
    });
}
