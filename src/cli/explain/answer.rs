//! A decision as JSON and as a page, whoever would be answered so.

use livekit_keyd_core::duration;
use livekit_keyd_core::policy::{Approved, LimitedBy};
use livekit_keyd_core::problem::{Problem, ProblemKind};
use serde_json::{Value, json};

use crate::api::answer;
use crate::cli::screen::{Hue, Screen};
use crate::cli::table;

/// What policy answers.
pub(super) type Decision = Result<Approved, Problem>;

/// For scripts.
pub(super) fn json(decision: &Decision) -> Value {
    match decision {
        Ok(approved) => json!({
            "allowed": true,
            "profile": Some(&approved.profile).filter(|name| !name.is_empty()),
            "identity": approved.participant.identity,
            "name": approved.participant.name,
            "kind": approved.participant.kind.as_str(),
            "metadata": approved.participant.metadata,
            "attributes": approved.participant.attributes,
            "room_config": approved.participant.room_config,
            "grants": approved.grants,
            "reaching_every_room": approved.grants.reaching_every_room(),
            "ttl": approved.ttl.granted.as_secs(),
            "ttl_limited_by": approved.ttl.limited_by.map(LimitedBy::as_str),
        }),
        Err(problem) => json!({
            "allowed": false,
            "status": answer::parts(problem).0.as_u16(),
            "rule": problem.rule,
            "pointer": problem.pointer,
            "detail": problem.detail,
        }),
    }
}

/// For people: to whom it is allowed, by what and for which keyset; or to whom it is denied, by which rule and why.
pub(super) fn page(decision: &Decision, screen: &Screen, to: &str, by: &str, keyset: &str) -> String {
    match decision {
        Ok(approved) => {
            let allowed = screen.paint(Hue::Good, "allowed");
            format!(
                "{allowed} to {to} by {by}\n{}{}",
                rows(&granted(approved, keyset)),
                wide(approved, screen)
            )
        }
        Err(problem) => {
            let denied = match problem.kind {
                ProblemKind::Denied => screen.paint(Hue::Bad, "denied"),
                ProblemKind::Malformed | ProblemKind::NotAToken => screen.paint(Hue::Bad, "refused"),
            };
            let place = match problem.pointer.as_str() {
                "" => String::new(),
                pointer => format!(", at {pointer}"),
            };
            format!("{denied} to {to} by rule {}{place}\n{}", problem.rule, screen.wrap(2, &problem.detail))
        }
    }
}

fn wide(approved: &Approved, screen: &Screen) -> String {
    let every = approved.grants.reaching_every_room();
    if every.is_empty() {
        return String::new();
    }
    let names = every.join(", ");
    let sentence = format!("{names}: every room of the deployment, whatever room and allowed_rooms say");
    screen.wrap(2, &sentence)
}

fn granted(approved: &Approved, keyset: &str) -> Vec<(&'static str, String)> {
    let participant = &approved.participant;
    let life = duration::format(approved.ttl.granted);
    let life = match approved.ttl.limited_by {
        Some(by) => format!("{life}, shortened by the {}", by.as_str()),
        None => life,
    };
    let mut rows = vec![
        ("keyset", keyset.to_owned()),
        ("identity", or_none(&participant.identity)),
        ("kind", participant.kind.as_str().to_owned()),
        ("grants", json!(approved.grants).to_string()),
        ("life", life),
    ];
    if !participant.attributes.is_empty() {
        rows.push(("attributes", json!(participant.attributes).to_string()));
    }
    if let Some(config) = &participant.room_config {
        rows.push(("room_config", json!(config).to_string()));
    }
    rows
}

/// Names and values in two columns.
pub(super) fn rows(rows: &[(&'static str, String)]) -> String {
    let rows: Vec<_> = rows.iter().map(|(name, value)| vec![format!("  {name}"), value.clone()]).collect();
    table::columns(&rows)
}

/// The text, or that there is none.
pub(super) fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}
