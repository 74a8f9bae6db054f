//! What LiveKit reads, and how two of them compare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::view::World;
use crate::document::{Document, Lineage};
use crate::key::{Key, KeyId};
use crate::secret::Secret;
use crate::time::Time;

/// How far each keyset's document had come when something was derived from them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vector(pub BTreeMap<String, (Lineage, u64)>);

impl Vector {
    /// Whether any part of this is older than, or foreign to, what the other has.
    ///
    /// A publication is never replaced by one of which this is true.
    pub fn is_behind(&self, other: &Vector) -> bool {
        other.0.iter().any(|(keyset, (lineage, seq))| match self.0.get(keyset) {
            Some((own_lineage, own_seq)) => own_lineage != lineage || own_seq < seq,
            None => true,
        })
    }

    /// The seq of a keyset's document in it.
    pub fn seq(&self, document: &Document) -> Option<u64> {
        let (lineage, seq) = self.0.get(&document.keyset)?;
        (*lineage == document.lineage).then_some(*seq)
    }
}

/// The keys that LiveKit is given, in the order that matters to it, and what they were derived from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Ids and secrets; LiveKit signs most of its own tokens with the first.
    pub keys: Vec<(KeyId, Secret)>,
    /// The documents that it was derived from; empty when strangers wrote it.
    pub vector: Vector,
    /// By when the set of keys had changed: the clock of a rotator that read it so. `None` until one has, since
    /// whoever changes it cannot know when the write will land; and when strangers wrote it.
    pub changed_at: Option<Time>,
}

impl Publication {
    /// The secret that it gives for an id.
    pub fn secret(&self, id: &KeyId) -> Option<&Secret> {
        self.keys.iter().find(|(key, _)| key == id).map(|(_, secret)| secret)
    }

    /// Whether it has the same ids with the same secrets, in whatever order.
    pub fn same_keys(&self, other: &Publication) -> bool {
        self.keys.len() == other.keys.len()
            && self.keys.iter().all(|(id, secret)| other.secret(id) == Some(secret))
    }

    /// What should be published, beside what is there now.
    ///
    /// Keys of documents that cannot be read stay as they are, and so do ids that
    /// no document knows; those come last. `None` while a secret is not at hand.
    pub fn wanted(world: &World, there: &Publication) -> Option<Publication> {
        let mut ranked: Vec<(usize, KeyId, Secret)> = Vec::new();
        let mut vector = there.vector.clone();
        for (keyset, document) in world.managed() {
            for key in document.published() {
                let secret = match &key.secret {
                    Some(secret) => secret.clone(),
                    None => keyset.standby_secret(&key.id)?.clone(),
                };
                ranked.push((rank(document, key, world.now), key.id.clone(), secret));
            }
            vector.0.insert(document.keyset.clone(), (document.lineage.clone(), document.seq));
        }
        ranked.sort_by_key(|(rank, _, _)| *rank);
        let mut keys: Vec<_> = ranked.into_iter().map(|(_, id, secret)| (id, secret)).collect();
        let foreign = there
            .keys
            .iter()
            .filter(|(id, _)| world.managed().all(|(_, document)| document.key(id).is_none()));
        keys.extend(foreign.cloned());
        Some(Publication { keys, vector, changed_at: Some(world.now) })
    }
}

/// LiveKit signs its own tokens with the first key most often, so the first is the one that every node knows for
/// longest: the next to be activated. Then what is active, what retires, and the other standbys.
fn rank(document: &Document, key: &Key, now: Time) -> usize {
    let next = document
        .committed()
        .filter(|key| key.is_usable() && key.commitment().is_some_and(|c| c.not_before > now))
        .min_by_key(|key| key.commitment().map(|c| c.ordinal))
        // The first standby of all is active as soon as it is proven.
        .or_else(|| document.standbys().nth(usize::from(document.newest().is_none())));
    if next.is_some_and(|next| next.id == key.id) {
        0
    } else if document.active(now).is_some_and(|active| active.id == key.id) {
        1
    } else if key.commitment().is_some() {
        2
    } else {
        3
    }
}
