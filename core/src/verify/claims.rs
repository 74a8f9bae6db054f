//! The claims themselves: types, times, and what a join needs.

use serde_json::{Map, Value};

use super::{LEEWAY, Reason};
use crate::grants::{
    AgentEndpointGrant, AgentGrant, AgentThreadGrant, Group, InferenceGrant, ObservabilityGrant, SipGrant,
    VideoGrant,
};
use crate::request::LONGEST_NAME;
use crate::time::Time;

pub(super) fn judge(claims: &Map<String, Value>, now: Time, reasons: &mut Vec<Reason>) {
    types(claims, reasons);
    times(claims, now, reasons);
    let video = claims.get("video").and_then(Value::as_object);
    let flag = |name: &str| video.and_then(|video| video.get(name)).and_then(Value::as_bool) == Some(true);
    let room = video.and_then(|video| video.get("room")).and_then(Value::as_str).unwrap_or_default();
    // LiveKit falls back to `jti` where `sub` is empty.
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let identity = if text("sub").is_empty() { text("jti") } else { text("sub") };
    if flag("roomJoin") && room.is_empty() {
        reasons.push(Reason::JoinWithoutRoom);
    }
    if flag("roomJoin") && identity.is_empty() {
        reasons.push(Reason::JoinWithoutIdentity);
    }
    if flag("roomAdmin") && (room.is_empty() || room == "*") {
        reasons.push(Reason::AdminOfNoRoom);
    }
    if room.len() > LONGEST_NAME {
        reasons.push(Reason::LongName("room"));
    }
    if identity.len() > LONGEST_NAME {
        reasons.push(Reason::LongName("identity"));
    }
}

fn times(claims: &Map<String, Value>, now: Time, reasons: &mut Vec<Reason>) {
    let at = |seconds: i64| Time::from_millis(seconds.saturating_mul(1000));
    match claims.get("exp").map(Value::as_i64) {
        None => reasons.push(Reason::NeverExpires),
        Some(Some(exp)) if now.as_secs() >= exp.saturating_add(LEEWAY) => {
            reasons.push(Reason::Expired(at(exp)))
        }
        _ => {}
    }
    if let Some(nbf) = claims.get("nbf").and_then(Value::as_i64)
        && now.as_secs() < nbf.saturating_sub(LEEWAY)
    {
        reasons.push(Reason::NotYetValid(at(nbf)));
    }
}

/// What a claim must be.
struct Type {
    wanted: &'static str,
    fits: fn(&Value) -> bool,
}

const TEXT: Type = Type { wanted: "text", fits: Value::is_string };
const OBJECT: Type = Type { wanted: "an object, or left out", fits: Value::is_object };
const FLAG: Type = Type { wanted: "true or false", fits: Value::is_boolean };
const LIST: Type = Type {
    wanted: "a list of text",
    fits: |value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
};
const SECONDS: Type = Type {
    wanted: "whole seconds since 1970 (some verifiers take a fraction or text, others do not)",
    fits: |value| value.is_i64() || value.is_u64(),
};
const TEXTS: Type = Type {
    wanted: "an object of text",
    fits: |value| value.as_object().is_some_and(|members| members.values().all(Value::is_string)),
};

const CLAIMS: [(&str, Type); 20] = [
    ("iss", TEXT),
    ("sub", TEXT),
    ("jti", TEXT),
    ("name", TEXT),
    ("kind", TEXT),
    ("kindDetails", LIST),
    ("metadata", TEXT),
    ("sha256", TEXT),
    ("roomPreset", TEXT),
    ("exp", SECONDS),
    ("nbf", SECONDS),
    ("attributes", TEXTS),
    ("roomConfig", OBJECT),
    (VideoGrant::NAME, OBJECT),
    (SipGrant::NAME, OBJECT),
    (AgentGrant::NAME, OBJECT),
    (AgentEndpointGrant::NAME, OBJECT),
    (AgentThreadGrant::NAME, OBJECT),
    (InferenceGrant::NAME, OBJECT),
    (ObservabilityGrant::NAME, OBJECT),
];

/// What is no flag in the groups of grants.
const MEMBERS: [(&str, &str, Type); 7] = [
    (VideoGrant::NAME, "room", TEXT),
    (VideoGrant::NAME, "destinationRoom", TEXT),
    (VideoGrant::NAME, "canPublishSources", LIST),
    (AgentEndpointGrant::NAME, "agentName", TEXT),
    (AgentEndpointGrant::NAME, "deployment", TEXT),
    (AgentThreadGrant::NAME, "scope", TEXT),
    (AgentThreadGrant::NAME, "threadIds", LIST),
];

fn types(claims: &Map<String, Value>, reasons: &mut Vec<Reason>) {
    for (name, wanted) in &CLAIMS {
        check(claims.get(*name), wanted, reasons, || (*name).to_owned());
    }
    flags::<VideoGrant>(claims, reasons);
    flags::<SipGrant>(claims, reasons);
    flags::<AgentGrant>(claims, reasons);
    flags::<AgentEndpointGrant>(claims, reasons);
    flags::<AgentThreadGrant>(claims, reasons);
    flags::<InferenceGrant>(claims, reasons);
    flags::<ObservabilityGrant>(claims, reasons);
    for (group, member, wanted) in &MEMBERS {
        let value = claims.get(*group).and_then(|group| group.get(member));
        check(value, wanted, reasons, || format!("{group}.{member}"));
    }
}

fn check(value: Option<&Value>, wanted: &Type, reasons: &mut Vec<Reason>, claim: impl Fn() -> String) {
    if value.is_some_and(|value| !(wanted.fits)(value)) {
        reasons.push(Reason::WrongType { claim: claim(), wanted: wanted.wanted });
    }
}

fn flags<G: Group>(claims: &Map<String, Value>, reasons: &mut Vec<Reason>) {
    let Some(members) = claims.get(G::NAME).and_then(Value::as_object) else { return };
    for flag in G::default().flags() {
        check(members.get(flag.name), &FLAG, reasons, || format!("{}.{}", G::NAME, flag.name));
    }
}
