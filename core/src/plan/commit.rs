//! The next key is committed: for the first time, for a firing, or for an operator.
//!
//! The commitment is made ahead of the firing, so that every signer knows of it
//! and changes key by its own clock, with or without the store.

use std::time::Duration;

use super::proof::{Known, accepted};
use super::view::View;
use super::{AlarmKind, Plan, Rule};
use crate::change::{Cause, Change};
use crate::key::{Key, KeyId};
use crate::time::Time;

/// A commitment that is due.
struct Due {
    rule: Rule,
    key: Option<KeyId>,
    not_before: Time,
    cause: Cause,
}

pub(super) fn next_key(view: &View, plan: &mut Plan) {
    let Some(due) = due(view, plan) else { return };
    match ready(view, &due) {
        Ok(key) => {
            let why = format!("{} signs from {}", key.id, due.not_before);
            let change = Change::Commit { key: key.id.clone(), not_before: due.not_before, cause: due.cause };
            plan.save(view, due.rule, change, why);
        }
        Err(Waits { reason, message, until }) => {
            if is_late(view, &due) {
                plan.alarm(
                    AlarmKind::RotationBlocked,
                    Some(view.name),
                    format!("a rotation is due and waits: {message}"),
                );
            }
            plan.block(view, due.rule, reason, message, until);
        }
    }
}

fn due(view: &View, plan: &mut Plan) -> Option<Due> {
    let (document, now) = (view.document, view.now());
    let lead = document.rules.activation_lead;
    if document.external {
        return follows_source(view);
    }
    // Also when all that were are compromised: there is nothing to wait for.
    if document.newest().is_none() {
        return Some(Due { rule: Rule::Bootstrap, key: None, not_before: now, cause: Cause::Bootstrap });
    }
    if let Some(request) = &document.requested {
        let key = request.key.clone();
        return Some(Due { rule: Rule::Request, key, not_before: now + lead, cause: Cause::Request });
    }
    let firing = document.next_firing()?;
    let commit_at = firing - lead;
    if now < commit_at {
        plan.wake_at(commit_at);
        plan.foresee(view.name, firing, "the next key becomes active by schedule".to_owned());
        return None;
    }
    let window_ends = firing + document.rules.rotation_window;
    if now > window_ends {
        let message = format!(
            "the rotation of {firing} was not made within its window, which ended at {window_ends}; the next firing counts again"
        );
        plan.alarm(AlarmKind::RotationMissed, Some(view.name), message.clone());
        plan.save(view, Rule::Miss, Change::Miss { until: now - document.rules.rotation_window }, message);
        return None;
    }
    plan.wake_at(window_ends + Duration::from_millis(1));
    // One that comes late serves all firings that it overtakes, else they would follow at once, one by one.
    let not_before = if now <= firing { firing } else { now + lead };
    Some(Due { rule: Rule::Fire, key: None, not_before, cause: Cause::Firing(not_before) })
}

/// Whether somebody should look why it waits: a key that others made has its time to be proven.
fn is_late(view: &View, due: &Due) -> bool {
    let rules = &view.document.rules;
    let seen_at = |id| view.document.key(id).map(|key: &Key| key.created_at);
    match due.rule {
        Rule::Fire => true,
        Rule::Follow => due
            .key
            .as_ref()
            .and_then(seen_at)
            .is_some_and(|seen_at| view.now() > seen_at + rules.time_to_settle() + rules.activation_lead),
        _ => false,
    }
}

/// What others have put at the source signs when it is proven; the first of all at once.
fn follows_source(view: &View) -> Option<Due> {
    let (document, now) = (view.document, view.now());
    let there = view.keyset.source.as_ref()?.fresh()?;
    let key = document.key(&there.id).filter(|key| key.is_standby())?.id.clone();
    Some(match document.newest() {
        None => Due { rule: Rule::Bootstrap, key: Some(key), not_before: now, cause: Cause::Bootstrap },
        Some(_) => {
            let not_before = now + document.rules.activation_lead;
            Due { rule: Rule::Follow, key: Some(key), not_before, cause: Cause::Source }
        }
    })
}

/// Why a due commitment cannot be made.
struct Waits {
    reason: &'static str,
    message: String,
    until: Option<Time>,
}

fn waits(reason: &'static str, message: String, until: Option<Time>) -> Waits {
    Waits { reason, message, until }
}

fn ready<'a>(view: &'a View, due: &Due) -> Result<&'a Key, Waits> {
    let (document, now) = (view.document, view.now());
    if let Some(hold) = document.hold_at(now) {
        return Err(waits("hold", format!("the keyset is on hold until {}", hold.until), Some(hold.until)));
    }
    if let Some(held) = document.active(now).filter(|key| key.hold && due.rule == Rule::Fire) {
        return Err(waits("hold", format!("{} is held until `livekit-keyd resume`", held.id), None));
    }
    let key = match &due.key {
        Some(id) => document.standbys().find(|key| key.id == *id),
        None => document.standbys().find(|key| key.is_proven_standby()),
    };
    let key = key.filter(|key| key.is_proven_standby()).ok_or_else(|| {
        waits("standby", "no standby is proven yet; see what the rule `prove` waits for".to_owned(), None)
    })?;
    let secret = view.keyset.standby_secret(&key.id).ok_or_else(|| {
        waits("standby", format!("the secret of standby {} is not in the store", key.id), None)
    })?;
    if let Some(fleet) = view.world.proof.fleet() {
        fleet.clocks_agree(document.rules.clock_skew).map_err(|why| waits("clock", why, None))?;
    }
    match accepted(view, &key.id, secret) {
        Known::Yes => Ok(key),
        Known::From(time) => Err(waits(
            "proof",
            format!("publications changed lately; {} counts as known to every node from {time}", key.id),
            Some(time),
        )),
        Known::No(why) => Err(waits("proof", why, None)),
    }
}

/// When the next commitment by schedule will be made, if it is known.
pub(super) fn next_commitment(view: &View) -> Option<Time> {
    view.document.next_firing().map(|firing| firing - view.document.rules.activation_lead)
}

/// How long a new key takes from its creation to its proof, at least.
pub(super) fn time_to_prove(view: &View) -> Duration {
    match view.world.proof.fleet() {
        Some(fleet) => fleet.node_restart_timeout,
        None => view.document.rules.time_to_settle(),
    }
}
