//! The changes of an ordinary life: made, proven, committed, bounded, retired, erased.

use super::{Cause, Illegal, Material};
use crate::document::{Document, MOST_LIVE_KEYS};
use crate::key::{Commitment, Key, KeyId};
use crate::time::Time;

pub(super) fn find<'a>(document: &'a mut Document, id: &KeyId) -> Result<&'a mut Key, Illegal> {
    document.key_mut(id).ok_or_else(|| Illegal::UnknownKey(id.clone()))
}

pub(super) fn create(
    document: &mut Document,
    count: usize,
    now: Time,
    material: &Material,
) -> Result<(), Illegal> {
    if document.external {
        return Err(Illegal::MadeByOthers);
    }
    let fresh = material.fresh.get(..count).ok_or(Illegal::TooFewIds)?;
    if document.published().count() + count > MOST_LIVE_KEYS {
        return Err(Illegal::TooManyKeys);
    }
    for id in fresh {
        if document.key(id).is_some() {
            return Err(Illegal::IdInUse(id.clone()));
        }
        document.keys.push(Key::new(id.clone(), now));
    }
    Ok(())
}

/// One that never signed may come again: its owner went back to the key before it, and on once more.
pub(super) fn adopt(document: &mut Document, id: &KeyId, now: Time) -> Result<(), Illegal> {
    if document.published().count() >= MOST_LIVE_KEYS {
        return Err(Illegal::TooManyKeys);
    }
    let fresh = Key::new(id.clone(), now);
    match document.key_mut(id) {
        None => document.keys.push(fresh),
        Some(known) if known.was_abandoned() => *known = fresh,
        Some(_) => return Err(Illegal::IdInUse(id.clone())),
    }
    Ok(())
}

pub(super) fn prove(document: &mut Document, id: &KeyId, now: Time) -> Result<(), Illegal> {
    let key = find(document, id)?;
    if !key.is_standby() {
        return Err(Illegal::NotStandby(id.clone()));
    }
    if key.proven_at.is_some() {
        return Err(Illegal::Already(id.clone()));
    }
    key.proven_at = Some(now);
    Ok(())
}

pub(super) fn commit(
    document: &mut Document,
    id: &KeyId,
    not_before: Time,
    cause: &Cause,
    now: Time,
    material: &Material,
) -> Result<(), Illegal> {
    if not_before < now {
        return Err(Illegal::InThePast { not_before, now });
    }
    if let Some(hold) = document.hold_at(now) {
        return Err(Illegal::Held { until: hold.until });
    }
    take_over(document, id, not_before, material)?;
    match cause {
        Cause::Bootstrap | Cause::Source => {}
        Cause::Firing(firing) => {
            if document.served.is_some_and(|served| served >= *firing) {
                return Err(Illegal::AlreadyServed(*firing));
            }
            document.served = Some(*firing);
        }
        Cause::Request => document.requested = None,
    }
    Ok(())
}

/// Writes the commitment of a proven standby: ordinal, not_before and overlap together, and its secret.
pub(super) fn take_over(
    document: &mut Document,
    id: &KeyId,
    not_before: Time,
    material: &Material,
) -> Result<(), Illegal> {
    let commitment =
        Commitment { ordinal: document.next_ordinal(), not_before, overlap: document.rules.overlap };
    let key = find(document, id)?;
    if !key.is_standby() {
        return Err(Illegal::NotStandby(id.clone()));
    }
    if key.proven_at.is_none() {
        return Err(Illegal::NotProven(id.clone()));
    }
    key.secret = Some(material.secret(id)?);
    key.commit(commitment);
    forget_request_of(document, id);
    Ok(())
}

/// A request that names this key has been met, or never can be; left there it would keep all others waiting.
pub(super) fn forget_request_of(document: &mut Document, id: &KeyId) {
    if document.requested.as_ref().is_some_and(|request| request.key.as_ref() == Some(id)) {
        document.requested = None;
    }
}

pub(super) fn bound(document: &mut Document, id: &KeyId, now: Time) -> Result<(), Illegal> {
    let end = end_of(document, id, now)?;
    let key = find(document, id)?;
    if key.not_after.is_some_and(|known| known >= end) {
        return Err(Illegal::Already(id.clone()));
    }
    key.not_after = Some(end);
    Ok(())
}

/// The last moment of a succeeded key's tokens: every signer has read of the successor by `now`, or holds a
/// lease that began before.
fn end_of(document: &Document, id: &KeyId, now: Time) -> Result<Time, Illegal> {
    let key = document.key(id).ok_or_else(|| Illegal::UnknownKey(id.clone()))?;
    let own = key.commitment().ok_or_else(|| Illegal::NotSucceeded(id.clone()))?;
    let successor = document.successor(key).and_then(Key::commitment);
    let successor = successor.ok_or_else(|| Illegal::NotSucceeded(id.clone()))?;
    Ok(successor.not_before.max(now) + own.overlap + document.rules.clock_skew)
}

pub(super) fn retire(document: &mut Document, id: &KeyId, now: Time) -> Result<(), Illegal> {
    let skew = document.rules.clock_skew;
    let key = document.key(id).ok_or_else(|| Illegal::UnknownKey(id.clone()))?;
    if key.unpublished_at.is_some() {
        return Err(Illegal::Already(id.clone()));
    }
    if key.compromised_at.is_none() {
        if key.commitment().is_none() || document.successor(key).is_none() {
            return Err(Illegal::NotSucceeded(id.clone()));
        }
        let until = key.not_after.map(|end| end + skew);
        if until.is_none_or(|until| now < until) {
            return Err(Illegal::StillInUse { key: id.clone(), until });
        }
    }
    find(document, id)?.unpublished_at = Some(now);
    Ok(())
}

pub(super) fn abandon(document: &mut Document, id: &KeyId, now: Time) -> Result<(), Illegal> {
    let reason = if document.external {
        "its owner put another key in its place before it signed"
    } else {
        "its secret was lost from the store"
    };
    let key = find(document, id)?;
    if !key.is_standby() {
        return Err(Illegal::NotStandby(id.clone()));
    }
    key.unpublished_at = Some(now);
    key.reason = Some(reason.to_owned());
    forget_request_of(document, id);
    Ok(())
}

pub(super) fn erase(document: &mut Document, id: &KeyId, now: Time, seq: u64) -> Result<(), Illegal> {
    let key = find(document, id)?;
    if key.unpublished_at.is_none() {
        return Err(Illegal::StillInUse { key: id.clone(), until: None });
    }
    if key.erased_at.is_some() {
        return Err(Illegal::Already(id.clone()));
    }
    key.secret = None;
    key.erased_at = Some(now);
    document.clean_from_seq = Some(seq);
    Ok(())
}

pub(super) fn miss(document: &mut Document, until: Time) -> Result<(), Illegal> {
    if document.served.is_some_and(|served| served >= until) {
        return Err(Illegal::AlreadyServed(until));
    }
    document.served = Some(until);
    Ok(())
}
