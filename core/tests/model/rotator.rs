//! A rotator that can be copied: what it knows, and its look at the world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::plan::{
    Fleet, KeysetWorld, Node, Observed, Order, Proof, Publication, Restarter, Standby, Versions, World,
};
use livekit_keyd_core::time::Time;
use livekit_keyd_core::watermark::Watermark;

use super::machine::{KEYSET, Machine};
use crate::support::fleet::StoredRollout;
use crate::support::write::Write;
use crate::support::{Mutation, mutant};

/// What a look decided.
#[derive(Clone)]
pub(super) enum Pending {
    /// These writes, one after the other; the secrets that were made for them.
    Writes {
        made: Vec<KeyId>,
        left: VecDeque<Write>,
    },
    Restart {
        node: String,
        generation: u64,
        asked_at: i64,
    },
}

#[derive(Clone, Default)]
pub(super) struct Rotator {
    pub(super) publications: Option<BTreeMap<String, Publication>>,
    pub(super) pending: Option<Pending>,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) asked_at: i64,
    pub(super) orders: BTreeSet<u64>,
    pub(super) first_seen: BTreeMap<KeyId, Option<u64>>,
    /// On disk, so that it outlives the process.
    pub(super) mark: Option<Watermark>,
    /// How often it had no answer or died: the names that it makes differ from then on.
    pub(super) lives: u32,
    /// The lease of one that shares none.
    pub(super) own_lease: StoredRollout,
}

impl Rotator {
    pub(super) fn dies(&mut self) {
        let (mark, lives) = (self.mark.take(), self.lives + 1);
        *self = Rotator { mark, lives, ..Rotator::default() };
    }
}

impl Machine {
    pub(super) fn clock(&self, index: usize) -> Time {
        self.state.clock(if index == 0 { -self.scenario.error } else { self.scenario.error })
    }

    pub(super) fn look(&mut self, index: usize) {
        let Some(publications) = self.rotators[index].publications.take() else { return };
        let world = self.world(index, publications);
        let mutation = self.state.setup.mutation;
        let broken = mutant::write(mutation, &world, || self.write_name(index));
        self.rotators[index].pending = match broken {
            Some(write) => Some(Pending::Writes { made: Vec::new(), left: [write].into() }),
            None => {
                let plan = mutant::plan_with(mutation, &world);
                plan.steps.first().and_then(|step| self.settle(index, &world, step))
            }
        };
    }

    fn world(&mut self, index: usize, publications: BTreeMap<String, Publication>) -> World {
        let now = self.clock(index);
        let mut keysets = BTreeMap::new();
        if let Some(seen) = self.keyset(index, now) {
            keysets.insert(KEYSET.to_owned(), seen);
        }
        let proof =
            if self.state.setup.proven { self.proof(index, now, &publications) } else { Proof::Disabled };
        let fresh = |(name, there)| (name, Observed::Fresh(there));
        World { now, proof, keysets, publications: publications.into_iter().map(fresh).collect() }
    }

    fn keyset(&mut self, index: usize, now: Time) -> Option<KeysetWorld> {
        let document = self.state.document(KEYSET).cloned()?;
        let standby = self.standby(index, &document);
        let mark = &mut self.rotators[index].mark;
        let admitted = mark.as_ref().map_or(Ok(()), |mark| mark.admits(&document));
        let document = match admitted {
            Ok(()) => {
                *mark = Watermark::of(&document);
                Observed::Fresh(document)
            }
            Err(back) => Observed::Unknown { since: now, why: back.to_string() },
        };
        let shelf = &self.state.shelves[KEYSET];
        Some(KeysetWorld {
            document,
            rules: self.state.rules.clone(),
            revision: Some(self.state.revision),
            standby,
            versions: Versions { current: shelf.version(), older: shelf.older() },
            client: self.state.clients.get(KEYSET).map(|client| Observed::Fresh(client.clone())),
            source: None,
        })
    }

    fn standby(&mut self, index: usize, document: &Document) -> BTreeMap<KeyId, Standby> {
        let first_seen = &mut self.rotators[index].first_seen;
        let look = |(id, secret): (&KeyId, &livekit_keyd_core::secret::Secret)| {
            let secret = document.key(id).is_some_and(Key::is_standby).then(|| secret.clone());
            let seen_at_seq = match first_seen.get_mut(id) {
                Some(seen) => *seen.get_or_insert(document.seq),
                None => {
                    first_seen.insert(id.clone(), None);
                    document.seq
                }
            };
            (id.clone(), Standby { secret, seen_at_seq })
        };
        self.state.shelves[KEYSET].standby.iter().map(look).collect()
    }

    fn proof(&mut self, index: usize, now: Time, publications: &BTreeMap<String, Publication>) -> Proof {
        let mut nodes = std::mem::take(&mut self.rotators[index].nodes);
        for node in 0..self.state.nodes.len() {
            let name = self.state.nodes[node].name.clone();
            self.state.ask(node, nodes.entry(name).or_default(), now);
        }
        let leaseless = self.state.mutated(Mutation::RestartsWithoutLease);
        let rotator = &mut self.rotators[index];
        rotator.asked_at = self.state.now;
        rotator.nodes.clone_from(&nodes);
        let stored = if leaseless { &rotator.own_lease } else { &self.state.rollout };
        Proof::Required(Box::new(Fleet {
            min_nodes: nodes.len(),
            nodes,
            unresolved: BTreeMap::new(),
            fresh_for: Duration::from_secs(10),
            node_restart_timeout: Duration::from_secs(120),
            rollout: Observed::Fresh((stored.version, stored.rollout.clone())),
            restarters: publications.keys().map(|name| (name.clone(), Restarter::Nodes(None))).collect(),
            me: format!("R{index}"),
            orders: rotator.orders.iter().map(|generation| (*generation, Order::Done)).collect(),
        }))
    }

    /// What an operator's tool sees.
    pub(super) fn seen_by_hand(&self) -> Option<KeysetWorld> {
        let document = Arc::clone(self.state.document(KEYSET)?);
        let shelf = &self.state.shelves[KEYSET];
        let standby = |(id, secret): (&KeyId, &livekit_keyd_core::secret::Secret)| {
            (id.clone(), Standby { secret: Some(secret.clone()), seen_at_seq: 0 })
        };
        Some(KeysetWorld {
            document: Observed::Fresh(document),
            rules: self.state.rules.clone(),
            revision: Some(self.state.revision),
            standby: shelf.standby.iter().map(standby).collect(),
            versions: Versions { current: shelf.version(), older: Vec::new() },
            client: None,
            source: None,
        })
    }
}
