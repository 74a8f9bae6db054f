//! Generated grants, and what they let somebody do, told from LiveKit's documentation alone.

use livekit_keyd_core::grants::GrantPattern;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The names of all flags, `group.flag`.
pub(crate) fn flags() -> Vec<String> {
    let others = |name: &String| {
        name.starts_with("kind.") || ["roomConfig", "video.destinationRoom"].contains(&name.as_str())
    };
    GrantPattern::known().into_iter().filter(|name| !others(name)).collect()
}

/// A flag of grants as they are written; unset is `None`.
pub(crate) fn flag(grants: &Value, name: &str) -> Option<bool> {
    let (group, flag) = name.split_once('.').expect("a group");
    grants[group][flag].as_bool()
}

/// What LiveKit takes a flag for, by its documentation alone.
pub(crate) fn effective(grants: &Value, name: &str) -> bool {
    flag(grants, name).unwrap_or_else(|| match name {
        "video.canPublish" | "video.canSubscribe" => true,
        "video.canPublishData" => effective(grants, "video.canPublish"),
        _ => false,
    })
}

/// Flags, lists and texts of every group. `often` is the share of what is set, in percent.
pub(crate) fn any_grants(often: u32) -> impl Strategy<Value = Value> {
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
pub(crate) fn reach(grants: &Value, group: &str, member: &str) -> Option<Vec<Value>> {
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

pub(crate) fn lies_within(inner: Option<Vec<Value>>, outer: Option<Vec<Value>>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.iter().all(|item| outer.contains(item)),
    }
}
