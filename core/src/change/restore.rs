//! An operator accepts a store that was restored to an old state.
//!
//! The restored document may name keys that the fleet has long forgotten, and
//! lack those it knows now; and what nodes read may have gone back with it. So a
//! key signs from now on that every publication holds and every node takes, and
//! what publications lack is given up.

use std::collections::BTreeSet;

use super::{Illegal, Material, lifecycle};
use crate::document::Document;
use crate::key::{Key, KeyId};
use crate::time::Time;

pub(super) fn restore(
    document: &mut Document,
    seq: u64,
    published: &BTreeSet<KeyId>,
    taken: &BTreeSet<KeyId>,
    now: Time,
    material: &Material,
) -> Result<(), Illegal> {
    if seq <= document.seq {
        return Err(Illegal::LowSeq(seq));
    }
    let since = now - document.rules.clock_skew;
    let active = document.active(since).map(|key| key.id.clone());
    let still_there = active.as_ref().is_some_and(|id| taken.contains(id));
    if !still_there {
        let held = |key: &&Key| taken.contains(&key.id) && material.secret(&key.id).is_ok();
        let heir = document.standbys().find(held).map(|key| key.id.clone());
        let heir = heir.or_else(|| {
            let committed = document.committed().filter(|key| key.is_usable() && taken.contains(&key.id));
            committed.max_by_key(|key| key.commitment().map(|c| c.ordinal)).map(|key| key.id.clone())
        });
        let lost = active.or_else(|| document.keys.first().map(|key| key.id.clone()));
        let heir = heir.ok_or_else(|| Illegal::NoSuccessor(lost.unwrap_or_else(|| KeyId::new("?"))))?;
        let key = lifecycle::find(document, &heir)?;
        if key.is_standby() {
            key.proven_at.get_or_insert(now);
            lifecycle::take_over(document, &heir, since, material)?;
        } else {
            let ordinal = document.next_ordinal();
            let key = lifecycle::find(document, &heir)?;
            if let Some(mut commitment) = key.commitment() {
                commitment.ordinal = ordinal;
                commitment.not_before = since;
                key.commit(commitment);
            }
        }
    }
    for key in &mut document.keys {
        let there = published.contains(&key.id);
        if key.commitment().is_some() && key.is_published() && !there {
            key.unpublished_at = Some(now);
        }
        if key.is_standby() && !there {
            key.proven_at = None;
        }
        // Their ends came from successors that may be gone; who still has one gets a new end.
        if key.is_usable() {
            key.not_after = None;
        }
    }
    document.restored_at_seq = Some(seq);
    document.clean_from_seq = Some(seq);
    document.requested = None;
    Ok(())
}
