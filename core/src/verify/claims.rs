//! The claims themselves: names, types, times, and what a join needs.

use serde_json::{Map, Value};

use super::{LEEWAY, Reason};
use crate::claims::room_config;
use crate::grants::{
    AgentEndpointGrant, AgentGrant, AgentThreadGrant, Group, InferenceGrant, ObservabilityGrant, SipGrant,
    VideoGrant,
};
use crate::request::LONGEST_NAME;
use crate::time::Time;

pub(super) fn judge(claims: &Map<String, Value>, now: Time, reasons: &mut Vec<Reason>) {
    case_of(claims, &CLAIMS.map(|(name, _)| name), "", reasons);
    for (name, wanted) in &CLAIMS {
        check((*name).to_owned(), claims.get(*name), wanted, reasons);
    }
    group::<VideoGrant>(claims, reasons);
    group::<SipGrant>(claims, reasons);
    group::<AgentGrant>(claims, reasons);
    group::<AgentEndpointGrant>(claims, reasons);
    group::<AgentThreadGrant>(claims, reasons);
    group::<InferenceGrant>(claims, reasons);
    group::<ObservabilityGrant>(claims, reasons);
    room_configuration(claims, reasons);
    times(claims, now, reasons);
    join(claims, reasons);
}

fn join(claims: &Map<String, Value>, reasons: &mut Vec<Reason>) {
    let video = claims.get("video").and_then(Value::as_object);
    let flag = |name: &str| video.and_then(|video| video.get(name)).and_then(Value::as_bool) == Some(true);
    let room = video.and_then(|video| video.get("room")).and_then(Value::as_str).unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    // LiveKit falls back to `jti` where `sub` is empty.
    let identity = if text("sub").is_empty() { text("jti") } else { text("sub") };
    let needs = [
        (flag("roomJoin") && room.is_empty(), Reason::JoinWithoutRoom),
        (flag("roomJoin") && identity.is_empty(), Reason::JoinWithoutIdentity),
        (flag("roomAdmin") && (room.is_empty() || room == "*"), Reason::AdminOfNoRoom),
    ];
    reasons.extend(needs.into_iter().filter(|(missing, _)| *missing).map(|(_, reason)| reason));
    for (what, name) in [("room", room), ("identity", identity)] {
        if name.len() > LONGEST_NAME {
            reasons.push(Reason::LongName(what));
        }
    }
}

fn times(claims: &Map<String, Value>, now: Time, reasons: &mut Vec<Reason>) {
    let at = |seconds: i64| Time::from_millis(seconds.saturating_mul(1000));
    match claims.get("exp") {
        None | Some(Value::Null) => reasons.push(Reason::NeverExpires),
        Some(exp) => {
            if let Some(exp) = seconds(exp).filter(|exp| now.as_secs() >= exp.saturating_add(LEEWAY)) {
                reasons.push(Reason::Expired(at(exp)));
            }
        }
    }
    if let Some(nbf) = claims.get("nbf").and_then(seconds)
        && now.as_secs() < nbf.saturating_sub(LEEWAY)
    {
        reasons.push(Reason::NotYetValid(at(nbf)));
    }
}

/// As livekit-server reads a time: fractions and numbers in text count too.
fn seconds(value: &Value) -> Option<i64> {
    let fraction = || value.as_f64().or_else(|| value.as_str()?.parse().ok());
    // A cast from float to integer saturates, as the comparisons above need it.
    value.as_i64().or_else(|| Some(fraction()? as i64))
}

/// What a claim must be.
type Type = (&'static str, fn(&Value) -> bool);

const TEXT: Type = ("text", Value::is_string);
const OBJECT: Type = ("an object, or left out", Value::is_object);
const FLAG: Type = ("true or false", Value::is_boolean);
const LIST: Type =
    ("a list of text", |value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string)));
const SECONDS: Type =
    ("whole seconds since 1970 (some verifiers take a fraction or text, others do not)", |value| {
        value.is_i64() || value.is_u64()
    });
const NUMBER: Type = ("a number", Value::is_number);
const TEXTS: Type = ("an object of text", |value| {
    value.as_object().is_some_and(|members| members.values().all(Value::is_string))
});
const ABSENT: Type = ("left out: the verifiers of Python and Rust refuse a token that has it", |_| false);

const CLAIMS: [(&str, Type); 22] = [
    ("iss", TEXT),
    ("sub", TEXT),
    ("aud", ABSENT),
    ("jti", TEXT),
    ("name", TEXT),
    ("kind", TEXT),
    ("kindDetails", LIST),
    ("metadata", TEXT),
    ("sha256", TEXT),
    ("roomPreset", TEXT),
    ("exp", SECONDS),
    ("nbf", SECONDS),
    ("iat", NUMBER),
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

fn check(claim: String, value: Option<&Value>, (wanted, fits): &Type, reasons: &mut Vec<Reason>) {
    if value.is_some_and(|value| !fits(value)) {
        reasons.push(Reason::WrongType { claim, wanted });
    }
}

fn group<G: Group>(claims: &Map<String, Value>, reasons: &mut Vec<Reason>) {
    let Some(members) = claims.get(G::NAME).and_then(Value::as_object) else { return };
    let flags = G::default().flags().as_ref().iter().map(|flag| (flag.name, FLAG)).collect::<Vec<_>>();
    let others = MEMBERS.into_iter().filter(|(group, ..)| *group == G::NAME);
    let known: Vec<_> = flags.into_iter().chain(others.map(|(_, name, wanted)| (name, wanted))).collect();
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    case_of(members, &names, &format!("{}.", G::NAME), reasons);
    for (name, wanted) in &known {
        check(format!("{}.{name}", G::NAME), members.get(*name), wanted, reasons);
    }
}

/// livekit-server takes no account of case in names, and everybody else does.
fn case_of(members: &Map<String, Value>, known: &[&str], parent: &str, reasons: &mut Vec<Reason>) {
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        if let Some(meant) = known.iter().find(|known| folded(known) == folded(name)) {
            let claim = format!("{parent}{name}");
            reasons.push(Reason::OtherCase { claim, meant: format!("{parent}{meant}") });
        }
    }
}

/// Letters that differ in case only, those of other scripts included (as the long s and the Kelvin sign).
fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn room_configuration(claims: &Map<String, Value>, reasons: &mut Vec<Reason>) {
    let Some(config) = claims.get("roomConfig").and_then(Value::as_object) else { return };
    if let Err(wrong) = room_config::check(config) {
        let claim = format!("roomConfig{}", wrong.pointer.replace('/', "."));
        reasons.push(Reason::WrongType { claim, wanted: wrong.wanted });
    }
}
