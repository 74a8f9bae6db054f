//! What a room configuration must look like for LiveKit to read the token that carries it.
//!
//! It is a protobuf message in JSON: unknown fields pass, and each known field may be
//! written in camelCase or snake_case, but one of the wrong type costs the whole token.
//! Source: `livekit_room.proto` and `livekit_agent_dispatch.proto` of livekit/protocol.

use serde_json::{Map, Value};

/// What is wrong with a room configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where, as a JSON pointer within it.
    pub pointer: String,
    /// What it must be.
    pub wanted: &'static str,
}

struct Field {
    camel: &'static str,
    snake: &'static str,
    wanted: &'static str,
    fits: fn(&Value) -> bool,
}

const fn field(
    camel: &'static str,
    snake: &'static str,
    (wanted, fits): (&'static str, fn(&Value) -> bool),
) -> Field {
    Field { camel, snake, wanted, fits }
}

type Type = (&'static str, fn(&Value) -> bool);
const TEXT: Type = ("text", Value::is_string);
const FLAG: Type = ("true or false", Value::is_boolean);
const OBJECT: Type = ("an object", Value::is_object);
const LIST: Type =
    ("a list of objects", |value| value.as_array().is_some_and(|items| items.iter().all(Value::is_object)));
const TEXTS: Type = ("an object of text", |value| {
    value.as_object().is_some_and(|members| members.values().all(Value::is_string))
});
const NUMBER: Type = ("a whole number from 0 to 4294967295", |value| match value {
    Value::Number(number) => number.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
    Value::String(digits) => digits.parse::<u32>().is_ok(),
    _ => false,
});
const RESTART_POLICY: Type = ("JRP_ON_FAILURE or JRP_NEVER", |value| {
    matches!(value.as_str(), Some("JRP_ON_FAILURE" | "JRP_NEVER")) || matches!(value.as_u64(), Some(0 | 1))
});

const FIELDS: [Field; 11] = [
    field("name", "name", TEXT),
    field("emptyTimeout", "empty_timeout", NUMBER),
    field("departureTimeout", "departure_timeout", NUMBER),
    field("maxParticipants", "max_participants", NUMBER),
    field("metadata", "metadata", TEXT),
    field("egress", "egress", OBJECT),
    field("minPlayoutDelay", "min_playout_delay", NUMBER),
    field("maxPlayoutDelay", "max_playout_delay", NUMBER),
    field("syncStreams", "sync_streams", FLAG),
    field("agents", "agents", LIST),
    field("tags", "tags", TEXTS),
];

const AGENT_FIELDS: [Field; 6] = [
    field("agentName", "agent_name", TEXT),
    field("metadata", "metadata", TEXT),
    field("restartPolicy", "restart_policy", RESTART_POLICY),
    field("deployment", "deployment", TEXT),
    field("attributes", "attributes", TEXTS),
    field("threadId", "thread_id", TEXT),
];

/// The same with the names of its own fields, and of its agents', in camelCase, as tokens have them.
///
/// A field that is there in both forms stays so, for [`check`] to refuse.
pub fn camel_case(config: Map<String, Value>) -> Map<String, Value> {
    let mut config = renamed(&FIELDS, config);
    if let Some(Value::Array(agents)) = config.get_mut("agents") {
        for agent in agents.iter_mut().filter_map(Value::as_object_mut) {
            *agent = renamed(&AGENT_FIELDS, std::mem::take(agent));
        }
    }
    config
}

fn renamed(fields: &[Field], mut members: Map<String, Value>) -> Map<String, Value> {
    for field in fields {
        if !members.contains_key(field.camel)
            && let Some(value) = members.remove(field.snake)
        {
            members.insert(field.camel.to_owned(), value);
        }
    }
    members
}

/// Whether LiveKit can read it; what is inside of `egress` is not looked at.
///
/// # Errors
/// The first thing that it cannot read.
pub fn check(config: &Map<String, Value>) -> Result<(), Unreadable> {
    check_fields(&FIELDS, config, "")?;
    let agents = config.get("agents").and_then(Value::as_array).into_iter().flatten();
    for (index, agent) in agents.filter_map(Value::as_object).enumerate() {
        check_fields(&AGENT_FIELDS, agent, &format!("/agents/{index}"))?;
    }
    Ok(())
}

fn check_fields(fields: &[Field], members: &Map<String, Value>, parent: &str) -> Result<(), Unreadable> {
    let wrong = |name: &str, wanted| Err(Unreadable { pointer: format!("{parent}/{name}"), wanted });
    for field in fields {
        let (camel, snake) = (members.get(field.camel), members.get(field.snake));
        if camel.is_some() && snake.is_some() && field.camel != field.snake {
            return wrong(field.snake, "written once, in camelCase");
        }
        if camel.is_some_and(|value| !(field.fits)(value)) {
            return wrong(field.camel, field.wanted);
        }
        if snake.is_some_and(|value| !(field.fits)(value)) {
            return wrong(field.snake, field.wanted);
        }
    }
    Ok(())
}
