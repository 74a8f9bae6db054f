//! Tokens, each with a request for it and what it must say.
//!
//! What a token says is written as its payload has it, but for `sub`, which is
//! `identity` here, and for `exp` and `nbf`, of which `ttl` is the difference.
//! What is unset is left out.

use serde_json::{Value, json};

use crate::readers::THREE_STATE;

/// The life of a token of which nobody said anything, in seconds.
pub(crate) const TTL: i64 = 900;

/// One token.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The body of `POST /v1/tokens`.
    pub(crate) request: Value,
    /// What it must say, but for `iss`, `ttl` and `livekit_keyd`.
    pub(crate) says: Value,
    /// The profile in `livekit_keyd`.
    pub(crate) profile: Option<&'static str>,
}

fn case(name: impl Into<String>, request: Value, says: Value) -> Case {
    Case { name: name.into(), request, says, profile: None }
}

/// The flags of which unset and false are the same, by group.
const TWO_STATE: [(&str, &[&str]); 7] = [
    (
        "video",
        &[
            "roomCreate",
            "roomList",
            "roomRecord",
            "roomAdmin",
            "roomJoin",
            "ingressAdmin",
            "hidden",
            "recorder",
            "agent",
        ],
    ),
    ("sip", &["admin", "call"]),
    ("agent", &["admin", "simulationAdmin", "databaseAdmin", "dispatchAdmin"]),
    ("agentEndpoint", &["call"]),
    ("agentThread", &["all", "list", "create", "write", "read", "delete"]),
    ("inference", &["perform"]),
    ("observability", &["write"]),
];

const SOURCES: [&str; 4] = ["camera", "microphone", "screen_share", "screen_share_audio"];

/// Every token that a request can ask for.
pub(crate) fn of_requests() -> Vec<Case> {
    let mut cases = vec![
        case("nothing at all", json!({}), json!({})),
        case("an identity alone", json!({"identity": "alice"}), json!({"identity": "alice"})),
        case("a room alone", json!({"room": "demo"}), json!({"video": {"room": "demo"}})),
        case("empty groups", json!({"grants": {"video": {}, "sip": {}, "agentThread": {}}}), json!({})),
    ];
    cases.extend(flags());
    cases.extend(lists_and_texts());
    cases.extend(participants());
    cases.extend(rooms());
    cases.extend(everything());
    cases
}

/// Each flag true and false, alone; unset it is in every other case.
fn flags() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, flags) in TWO_STATE {
        for flag in flags {
            for value in [true, false] {
                let mut request = json!({"identity": "alice", "grants": {group: {*flag: value}}});
                let mut says = json!({"identity": "alice"});
                if value {
                    says[group] = json!({*flag: true});
                }
                // A join and a moderator need a room.
                if group == "video" {
                    request["room"] = json!("demo");
                    says["video"]["room"] = json!("demo");
                }
                cases.push(case(format!("{group}.{flag} {value}"), request, says));
            }
        }
    }
    for flag in THREE_STATE {
        for value in [true, false] {
            let grants = json!({"video": {flag: value}});
            cases.push(case(format!("video.{flag} {value}"), json!({"grants": grants}), grants));
        }
    }
    cases
}

fn lists_and_texts() -> Vec<Case> {
    let mut cases = vec![case(
        "no sources, which means every source",
        json!({"grants": {"video": {"canPublishSources": []}}}),
        json!({}),
    )];
    let lists = SOURCES.iter().map(|source| json!([source])).chain([json!(SOURCES)]);
    let videos = lists.map(|sources| json!({"video": {"canPublishSources": sources}})).chain([
        json!({"video": {"canPublish": false, "canPublishSources": ["camera"]}}),
        json!({"video": {"destinationRoom": "other"}}),
    ]);
    let others = [
        json!({"agentEndpoint": {"call": true, "agentName": "helper"}}),
        json!({"agentEndpoint": {"call": true, "deployment": "blue"}}),
        json!({"agentThread": {"scope": "team"}}),
        json!({"agentThread": {"threadIds": ["AT_1"]}}),
        json!({"agentThread": {"read": true, "threadIds": ["AT_1", "AT_2"]}}),
    ];
    let all = videos.chain(others);
    cases.extend(all.map(|grants| case(grants.to_string(), json!({"grants": grants}), grants)));
    cases
}

/// Text that an encoder could spoil: quotes, escapes, line separators, other planes, and a hash sign or two.
const AWKWARD: &str = "Zoë \"Z\" \\ / \u{2028} \u{1F600} \t\n +=&#<>%00";

fn participants() -> Vec<Case> {
    let mut cases: Vec<_> = ["ingress", "egress", "sip", "agent", "connector", "bridge"]
        .map(|kind| json!({"kind": kind}))
        .into_iter()
        .chain([
            json!({"name": AWKWARD}),
            json!({"metadata": AWKWARD}),
            json!({"metadata": "{\"json\": [1, null]}"}),
            json!({"attributes": {"tier": "free"}}),
            json!({"attributes": {"lk.agent_state": AWKWARD, "empty": "", "can_publish": "camelCase"}}),
            json!({"identity": "a".repeat(256)}),
        ])
        .map(|claims| case(claims.to_string(), claims.clone(), claims))
        .collect();
    let identity = "user:1@example.org/é \u{1F600}";
    cases.push(case("an awkward identity", json!({"identity": identity}), json!({"identity": identity})));
    cases.push(case("the usual kind", json!({"kind": "standard"}), json!({})));
    cases.push(case(
        "empty texts",
        json!({"name": "", "metadata": "", "attributes": {}, "grants": {"video": {"room": ""}}}),
        json!({}),
    ));
    cases
}

fn agents() -> Value {
    json!([
        {"agentName": "helper", "metadata": AWKWARD},
        {"agentName": "other", "restartPolicy": "JRP_NEVER", "deployment": "blue", "attributes": {"a_b": "c"}},
    ])
}

fn rooms() -> Vec<Case> {
    let mut cases: Vec<_> = [
        json!({"name": "demo"}),
        json!({"emptyTimeout": 300, "departureTimeout": 20, "maxParticipants": 4}),
        json!({"metadata": AWKWARD, "tags": {"a_b": "c"}}),
        json!({"minPlayoutDelay": 100, "maxPlayoutDelay": 2000, "syncStreams": true}),
        json!({"agents": agents()}),
    ]
    .into_iter()
    .map(|config| case(config.to_string(), json!({"room_config": config}), json!({"roomConfig": config})))
    .collect();
    let egress = json!({"egress": {"tracks": {"filepath": "recordings/{track_id}"}}});
    cases.push(Case {
        profile: Some("recorded"),
        ..case(
            "an egress, by its profile",
            json!({"profile": "recorded", "room_config": egress}),
            json!({"roomConfig": egress}),
        )
    });
    cases.push(Case {
        profile: Some("host"),
        ..case(
            "what a profile puts in",
            json!({"profile": "host", "identity": "alice", "room": "demo", "attributes": {"own": "1"},
                   "grants": {"video": {"canSubscribe": false}}}),
            json!({"identity": "alice", "kind": "agent", "metadata": "by the profile",
                   "attributes": {"own": "1", "tier": "paid"}, "roomConfig": {"emptyTimeout": 60},
                   "video": {"roomJoin": true, "room": "demo", "canPublish": false, "canSubscribe": false}}),
        )
    });
    cases
}

fn every_flag(value: bool) -> Value {
    let mut grants = json!({});
    for (group, flags) in TWO_STATE {
        for flag in flags {
            grants[group][*flag] = json!(value);
        }
    }
    for flag in THREE_STATE {
        grants["video"][flag] = json!(value);
    }
    grants
}

/// A token of everything that a request can say, and one with every flag false.
fn everything() -> Vec<Case> {
    let mut grants = every_flag(true);
    grants["video"]["canPublishSources"] = json!(SOURCES);
    grants["video"]["destinationRoom"] = json!("other");
    grants["agentEndpoint"]["agentName"] = json!("helper");
    grants["agentEndpoint"]["deployment"] = json!("blue");
    grants["agentThread"]["scope"] = json!("team");
    grants["agentThread"]["threadIds"] = json!(["AT_1"]);
    let mut request = json!({
        "identity": "alice", "name": "Alice", "room": "demo", "kind": "agent", "metadata": "text",
        "attributes": {"tier": "free"}, "room_config": {"name": "demo", "agents": agents()},
    });
    let mut says = request.clone();
    let members = says.as_object_mut().expect("an object");
    members.remove("room");
    let config = members.remove("room_config").expect("it was there");
    members.insert("roomConfig".to_owned(), config);
    members.extend(grants.as_object().expect("an object").clone());
    says["video"]["room"] = json!("demo");
    request["grants"] = grants;

    let none = THREE_STATE.iter().map(|flag| ((*flag).to_owned(), json!(false)));
    let none = json!({"video": none.collect::<serde_json::Map<_, _>>()});
    vec![
        case("everything", request, says),
        case("every flag false", json!({"grants": every_flag(false)}), none),
    ]
}
