//! A compromise: one write that takes a key out of use and leaves another in its place.
//!
//! The successor's not_before lies a clock skew back, so that no signer's clock
//! finds a moment at which nothing may sign.

use super::{Illegal, Material, lifecycle};
use crate::document::Document;
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
    let active = document.active(now).and_then(Key::commitment).map(|c| c.ordinal);
    let key = lifecycle::find(document, id)?;
    if key.compromised_at.is_some() || key.erased_at.is_some() {
        return Err(Illegal::Already(id.clone()));
    }
    key.compromised_at = Some(now);
    key.reason = Some(reason.to_owned());
    let ordinal = key.commitment().map(|c| c.ordinal);
    match (ordinal, active) {
        (None, _) => {
            key.unpublished_at.get_or_insert(now);
        }
        (Some(revoked), Some(active)) if revoked < active => {}
        (Some(revoked), Some(active)) if revoked > active => reopen_newest(document),
        (Some(revoked), _) => {
            let signs = hand_over(document, revoked, now - document.rules.clock_skew, material)?;
            if !signs && !accept_outage {
                return Err(Illegal::NoSuccessor(id.clone()));
            }
        }
    }
    if document.requested.as_ref().is_some_and(|request| request.key.as_ref() == Some(id)) {
        document.requested = None;
    }
    Ok(())
}

/// The key that was to be succeeded by the revoked one has no end any more.
fn reopen_newest(document: &mut Document) {
    let newest = document.newest().map(|key| key.id.clone());
    if let Some(key) = newest.and_then(|id| document.key_mut(&id)) {
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
    let newest = document.newest().map(|key| (key.id.clone(), key.commitment()));
    if let Some((id, Some(commitment))) = &newest
        && commitment.ordinal > revoked
    {
        let not_before = commitment.not_before.min(since);
        lifecycle::find(document, id)?.commit(Commitment { not_before, ..*commitment });
        return Ok(true);
    }
    let standby = document.standbys().find(|key| key.is_proven_standby()).map(|key| key.id.clone());
    if let Some(standby) = standby {
        lifecycle::take_over(document, &standby, since, material)?;
        return Ok(true);
    }
    reopen_newest(document);
    Ok(newest.is_some())
}
