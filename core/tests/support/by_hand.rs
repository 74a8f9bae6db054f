//! What an operator sees and does, and what a test does to the world.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Change, Illegal, Material, apply};
use livekit_keyd_core::document::{Document, WriteId};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{KeysetWorld, Observed, Proof, Publication, Standby, Versions, World};
use livekit_keyd_core::time::Time;

use super::sim::{Kind, Sim};
use super::state::Publisher;
use super::write::Write;
use super::{Mutation, Setup, signer};

impl Sim {
    /// A change of a document, made at once.
    pub(crate) fn operate(&mut self, keyset: &str, change: &Change) -> Result<(), Illegal> {
        let now = self.now();
        self.operate_at(keyset, change, now)
    }

    pub(crate) fn operate_at(&mut self, keyset: &str, change: &Change, now: Time) -> Result<(), Illegal> {
        self.shared.with(|state| {
            let write = WriteId(state.new_name());
            let shelf = &state.shelves[keyset];
            let secrets = shelf.standby.clone().into_iter().collect();
            let document = shelf.document().expect("a document");
            let expected = shelf.version();
            let next = apply(document, change, now, Material { secrets, ..Material::none(write) })?;
            let what = format!("{} by hand", change.name());
            state.land(Write::Document {
                keyset: keyset.to_owned(),
                expected,
                document: Arc::new(next),
                what,
            });
            Ok(())
        })?;
        // The daemon that carried it out looks again at once.
        let now = self.shared.with(|state| state.now);
        for process in &self.processes {
            process.sleep.0.set(process.sleep.0.get().min(now));
        }
        Ok(())
    }

    pub(crate) fn document(&self, keyset: &str) -> Arc<Document> {
        self.shared.with(|state| Arc::clone(state.document(keyset).expect("a document")))
    }

    pub(crate) fn publisher(&self, name: &str) -> Publisher {
        self.shared.with(|state| state.publishers[name].clone())
    }

    /// The world as a rotator sees it that can read everything and whose clock is right.
    pub(crate) fn world(&self) -> World {
        self.shared.with(|state| {
            let keysets = state.shelves.iter().filter_map(|(name, shelf)| {
                let standby = shelf.standby.iter().map(|(id, secret)| {
                    (id.clone(), Standby { secret: Some(secret.clone()), seen_at_seq: u64::MAX })
                });
                let seen = KeysetWorld {
                    document: Observed::Fresh(Arc::clone(shelf.document()?)),
                    rules: state.rules.clone(),
                    revision: Some(state.revision),
                    standby: standby.collect(),
                    versions: Versions { current: shelf.version(), older: Vec::new() },
                    client: state.clients.get(name).cloned().map(Observed::Fresh),
                    source: None,
                };
                Some((name.clone(), seen))
            });
            let publications = state.publishers.iter();
            World {
                now: state.clock(0),
                proof: Proof::Disabled,
                keysets: keysets.collect(),
                publications: publications
                    .map(|(name, there)| (name.clone(), Observed::Fresh(there.holds.clone())))
                    .collect(),
            }
        })
    }

    /// From now on everybody makes this mistake.
    pub(crate) fn mistake(&mut self, mutation: Mutation) {
        self.shared.with(|state| {
            let setup = Setup { mutation, ..Setup::clone(&state.setup) };
            state.setup = Rc::new(setup);
        });
    }

    /// All rotators are down for so long.
    pub(crate) fn rotators_are_down_for(&mut self, duration: Duration) {
        let until = (self.now() + duration).as_millis();
        for process in self.processes.iter().filter(|process| matches!(process.kind, Kind::Rotator)) {
            process.sleep.0.set(until);
        }
    }

    /// Somebody else writes where LiveKit reads.
    pub(crate) fn overwrite_publication(&mut self, name: &str, holds: Publication) {
        self.shared.with(|state| {
            state.publishers.get_mut(name).expect("a publisher").holds = holds;
        });
    }

    /// How often each rule's step was done.
    pub(crate) fn steps(&self) -> BTreeMap<&'static str, usize> {
        self.shared.with(|state| state.steps.clone())
    }

    /// The key that a signer signs with now.
    pub(crate) fn signs_with(&self, index: usize) -> Option<KeyId> {
        self.shared.with(|state| signer::sign(state, index))
    }
}
