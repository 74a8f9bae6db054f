//! A compromise: one write that takes a key out of use and leaves another in its place.
//!
//! The successor's not_before lies a clock skew back, so that no signer's clock
//! finds a moment at which nothing may sign.

use super::{Illegal, Material, lifecycle};
use crate::document::{Document, STANDBYS};
use crate::key::{Commitment, Key, KeyId};
use crate::time::Time;

pub(super) fn revoke(
    document: &mut Document,
    id: &KeyId,
    reason: &str,
    accept_outage: bool,
    now: Time,
    material: &Material,
) -> Result<(), Illegal> {
    let since = now - document.rules.clock_skew;
    let active_at = |document: &Document, time| document.active(time).and_then(ordinal);
    // By the slowest clock and by this one, which may differ while a change of key is under way.
    let (slowest, own) = (active_at(document, since), active_at(document, now));
    let key = lifecycle::find(document, id)?;
    if key.compromised_at.is_some() || key.erased_at.is_some() {
        return Err(Illegal::Already(id.clone()));
    }
    key.compromised_at = Some(now);
    key.reason = Some(reason.to_owned());
    match ordinal(key) {
        None => {
            key.unpublished_at.get_or_insert(now);
        }
        Some(revoked) if slowest.is_some_and(|active| revoked < active) => {}
        Some(revoked) if own.is_some_and(|active| revoked > active) => reopen_before(document, revoked),
        Some(revoked) => {
            let signs = hand_over(document, revoked, since, material)?;
            if !signs && !accept_outage {
                return Err(Illegal::NoSuccessor(id.clone()));
            }
        }
    }
    lifecycle::forget_request_of(document, id);
    Ok(())
}

/// Marks a key that must go when another can sign.
pub(super) fn replace(document: &mut Document, id: &KeyId, reason: &str, now: Time) -> Result<(), Illegal> {
    let key = lifecycle::find(document, id)?;
    if !key.is_usable() || key.replace_requested_at.is_some() {
        return Err(Illegal::Already(id.clone()));
    }
    key.replace_requested_at = Some(now);
    key.reason = Some(reason.to_owned());
    Ok(())
}

/// Takes every key out of use and out of what is published, for new ones: one restart cleans a node.
pub(super) fn revoke_all(
    document: &mut Document,
    reason: &str,
    now: Time,
    material: &Material,
) -> Result<(), Illegal> {
    let standing =
        document.keys.iter_mut().filter(|key| key.erased_at.is_none() && key.compromised_at.is_none());
    for key in standing {
        key.compromised_at = Some(now);
        key.reason = Some(reason.to_owned());
        key.unpublished_at.get_or_insert(now);
    }
    document.requested = None;
    lifecycle::create(document, STANDBYS + 1, now, material)
}

fn ordinal(key: &Key) -> Option<u64> {
    key.commitment().map(|commitment| commitment.ordinal)
}

/// The usable key that was committed last before the revoked one.
fn before(document: &Document, revoked: u64) -> Option<KeyId> {
    let usable = document.committed().filter(|key| key.is_usable() && ordinal(key) < Some(revoked));
    usable.max_by_key(|key| ordinal(key)).map(|key| key.id.clone())
}

/// The key that the revoked one was to succeed has its end from another now, or has none any more.
fn reopen_before(document: &mut Document, revoked: u64) {
    let before = before(document, revoked);
    if let Some(key) = before.and_then(|id| document.key_mut(&id)) {
        key.not_after = None;
    }
}

/// Sees to it that a key signs since `since`: one that was to follow, else a proven standby, else the one before.
fn hand_over(
    document: &mut Document,
    revoked: u64,
    since: Time,
    material: &Material,
) -> Result<bool, Illegal> {
    let follows = document.committed().filter(|key| key.is_usable() && ordinal(key) > Some(revoked));
    let next = follows.min_by_key(|key| ordinal(key)).map(|key| key.id.clone());
    if let Some(next) = next {
        begin_by(document, &next, since);
        return Ok(true);
    }
    // A standby whose secret was lost is no help, but another may be.
    let ready = |key: &&Key| key.is_proven_standby() && material.secret(&key.id).is_ok();
    let standby = document.standbys().find(ready).map(|key| key.id.clone());
    if let Some(standby) = standby {
        lifecycle::take_over(document, &standby, since, material)?;
        return Ok(true);
    }
    let Some(before) = before(document, revoked) else { return Ok(false) };
    // It may have been overtaken while its own time was still ahead.
    begin_by(document, &before, since);
    reopen_before(document, revoked);
    Ok(true)
}

fn begin_by(document: &mut Document, id: &KeyId, since: Time) {
    if let Some(key) = document.key_mut(id)
        && let Some(commitment) = key.commitment()
    {
        key.commit(Commitment { not_before: commitment.not_before.min(since), ..commitment });
    }
}
