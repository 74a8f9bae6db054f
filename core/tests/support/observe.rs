//! What a rotator looks at, and in which order; between any two parts others may act.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::plan::{
    Fleet, KeysetWorld, Observed, Order, Proof, Restarter, Standby, Versions, World,
};
use livekit_keyd_core::time::Time;

use super::mutant::Mutation;
use super::rotator::Rotator;

impl Rotator {
    /// Publications, documents, what lies beside them, and the clock: in this order.
    pub(super) async fn observe(&mut self) -> World {
        let (keysets, publishers) = self.shared.with(|state| {
            let names = |map: Vec<&String>| map.into_iter().cloned().collect::<Vec<_>>();
            (names(state.shelves.keys().collect()), names(state.publishers.keys().collect()))
        });
        let mut world = World {
            now: Time::MIN,
            proof: Proof::Disabled,
            keysets: BTreeMap::new(),
            publications: BTreeMap::new(),
        };
        for name in publishers {
            self.shared.turn().await;
            let seen = if self.shared.read_fails() {
                Observed::Unknown { since: self.clock(), why: "it was not to be read".into() }
            } else {
                Observed::Fresh(self.shared.with(|state| state.publishers[&name].holds.clone()))
            };
            world.publications.insert(name, seen);
        }
        for name in keysets {
            if let Some(seen) = self.observe_keyset(&name).await {
                world.keysets.insert(name, seen);
            }
        }
        if self.shared.with(|state| state.setup.proven) {
            world.proof = self.observe_fleet().await;
        }
        self.shared.turn().await;
        world.now = self.clock();
        world
    }

    /// The lease, and what nodes say: each is asked at another moment, and some not at all this time.
    async fn observe_fleet(&mut self) -> Proof {
        self.shared.turn().await;
        let shared = self.shared.with(|state| state.rollout.clone());
        let leaseless = self.mutated(Mutation::RestartsWithoutLease);
        let stored = if leaseless { self.own_lease.borrow().clone() } else { shared };
        let rollout = if self.shared.read_fails() {
            Observed::Unknown { since: self.clock(), why: "it was not to be read".into() }
        } else {
            Observed::Fresh((stored.version, stored.rollout))
        };
        let count = self.shared.with(|state| state.nodes.len());
        let mut restarters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for index in 0..count {
            let (name, publisher, skipped) = self.shared.with(|state| {
                let skipped = state.faults && state.random.chance(200);
                (state.nodes[index].name.clone(), state.nodes[index].publisher.clone(), skipped)
            });
            restarters.entry(publisher).or_default().push(name.clone());
            if !skipped {
                self.shared.turn().await;
                let clock = self.clock();
                self.asked.insert(name.clone(), self.shared.with(|state| state.now));
                let seen = self.nodes.entry(name).or_default();
                self.shared.with(|state| state.ask(index, seen, clock));
            }
        }
        let mut unresolved = BTreeMap::new();
        if self.shared.read_fails() {
            unresolved.insert("dns:nodes".to_owned(), "it was not to be resolved".to_owned());
        }
        let now = self.shared.with(|state| state.now);
        let order = |until: i64| if until <= now { Order::Done } else { Order::Running };
        let orders = self.orders.borrow();
        Proof::Required(Box::new(Fleet {
            nodes: self.nodes.clone(),
            unresolved,
            min_nodes: count,
            fresh_for: Duration::from_secs(10),
            node_restart_timeout: Duration::from_secs(120),
            rollout,
            restarters: restarters
                .into_iter()
                .map(|(publisher, nodes)| (publisher, Restarter::Nodes(Some(nodes))))
                .collect(),
            me: self.name.clone(),
            orders: orders.iter().map(|(generation, until)| (*generation, order(*until))).collect(),
        }))
    }

    async fn observe_keyset(&mut self, name: &str) -> Option<KeysetWorld> {
        self.shared.turn().await;
        let client = self.shared.with(|state| state.clients.get(name).cloned()).map(Observed::Fresh);
        self.shared.turn().await;
        let unreadable = self.shared.read_fails();
        let (document, version) = self.shared.with(|state| {
            let shelf = &state.shelves[name];
            Some((Arc::clone(shelf.document()?), shelf.version()))
        })?;
        self.shared.turn().await;
        let listed: Vec<_> = self.shared.with(|state| state.shelves[name].standby.keys().cloned().collect());
        let mut standby = BTreeMap::new();
        for id in listed {
            let mut secret = None;
            if document.key(&id).is_some_and(Key::is_standby) {
                self.shared.turn().await;
                secret = self.shared.with(|state| state.shelves[name].standby.get(&id).cloned());
                if secret.is_none() {
                    continue;
                }
            }
            let seen_at_seq = self.first_seen(name, &id, document.seq);
            standby.insert(id, Standby { secret, seen_at_seq });
        }
        self.shared.turn().await;
        let older = self.shared.with(|state| state.shelves[name].older());
        let document = if unreadable {
            Observed::Stale { value: document, since: self.clock(), why: "it was not to be read".into() }
        } else {
            Observed::Fresh(document)
        };
        Some(KeysetWorld {
            document,
            rules: self.rules.clone(),
            revision: Some(self.revision),
            standby,
            versions: Versions { current: version, older },
            client,
            source: None,
        })
    }

    /// A secret was written before it was seen, and the document read before that may be older than the one that
    /// its writer has read: only the next look's document is surely not.
    fn first_seen(&mut self, keyset: &str, id: &KeyId, seq: u64) -> u64 {
        match self.first_seen.get_mut(&(keyset.to_owned(), id.clone())) {
            Some(seen) => *seen.get_or_insert(seq),
            None => {
                self.first_seen.insert((keyset.to_owned(), id.clone()), None);
                seq
            }
        }
    }
}
