//! A store that goes back to an old state, and an operator who accepts it: as the daemon does, publications first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use livekit_keyd_core::change::{Change, Material, apply};
use livekit_keyd_core::document::WriteId;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::ClientKey;

use super::Mutation;
use super::state::{Publisher, Shelf, State};
use super::write::Write;

/// What the store was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backup {
    shelves: BTreeMap<String, Shelf>,
    clients: BTreeMap<String, ClientKey>,
    /// Where what nodes read lies in the store too.
    publishers: BTreeMap<String, Publisher>,
}

/// How far the accepted document's seq lies above all that anybody saw.
const MARGIN: u64 = 1 << 20;

impl State {
    pub(crate) fn back_up(&mut self) {
        let publishers = if self.setup.nodes_in_store { self.publishers.clone() } else { BTreeMap::new() };
        self.backup = Backup { shelves: self.shelves.clone(), clients: self.clients.clone(), publishers };
    }

    /// Nodes are where they were, and so is what they read unless it lies in the store; what was sent to the store that was is lost.
    pub(crate) fn go_back(&mut self) {
        self.note("the store goes back to an old state");
        let Backup { shelves, clients, publishers } = self.backup.clone();
        (self.shelves, self.clients) = (shelves, clients);
        for (name, before) in publishers {
            let is_old = before.holds != self.publishers[&name].holds;
            self.publishers.insert(name, Publisher { is_old, ..before });
        }
    }

    /// Whether somebody has seen more than the store has.
    pub(crate) fn went_back(&self, keyset: &str) -> bool {
        let Some(document) = self.document(keyset) else { return false };
        let marks = self.signers.iter().filter(|signer| signer.keyset == keyset);
        let mut marks = marks.filter_map(|signer| signer.mark.as_ref());
        let published = self.publishers.values().filter_map(|there| there.holds.vector.0.get(keyset));
        let mut published = published.filter(|(lineage, _)| *lineage == document.lineage);
        marks.any(|mark| mark.admits(document).is_err()) || published.any(|(_, seq)| *seq > document.seq)
    }

    /// What is held by every publication decides.
    pub(crate) fn accept_restored(&mut self, keyset: &str) {
        let Some(document) = self.document(keyset).cloned() else { return };
        let holds = || self.publishers.values().map(|there| &there.holds);
        let marks = self.signers.iter().filter_map(|signer| signer.mark.as_ref()).map(|mark| mark.seq);
        let published = holds().filter_map(|there| there.vector.0.get(keyset)).map(|(_, seq)| *seq);
        let seq = marks.chain(published).max().unwrap_or(0).max(document.seq) + MARGIN;
        let everywhere = |id: &&KeyId| holds().all(|there| there.secret(id).is_some());
        let held: BTreeSet<KeyId> =
            document.keys.iter().map(|key| &key.id).filter(everywhere).cloned().collect();
        let shelf = &self.shelves[keyset];
        let secrets = shelf.standby.clone().into_iter().collect();
        let material = Material { secrets, ..Material::none(WriteId(format!("restored{seq}"))) };
        let taken = held.iter().filter(|id| self.is_taken(id)).cloned().collect();
        let restore = Change::Restore { seq, published: held, taken };
        let Ok(next) = apply(&document, &restore, self.clock(0), material) else { return };
        let marked = |(name, there): (&String, &Publisher)| {
            let mut wanted = there.holds.clone();
            wanted.vector.0.insert(keyset.to_owned(), (next.lineage.clone(), next.seq));
            Write::Publication { publisher: name.clone(), there: there.holds.clone(), wanted }
        };
        let mut writes: Vec<_> = self.publishers.iter().map(marked).collect();
        writes.push(Write::Document {
            keyset: keyset.to_owned(),
            expected: shelf.version(),
            document: Arc::new(next),
            what: "a restored store is accepted".to_owned(),
        });
        for write in writes {
            self.land(write);
            self.check_state();
        }
    }

    /// Whether every node says so that answers, where they are asked.
    fn is_taken(&self, id: &KeyId) -> bool {
        let asked = self.setup.proven && !self.mutated(Mutation::AcceptsUnasked);
        !asked || self.nodes.iter().all(|node| !node.answers() || node.keys.contains_key(id))
    }
}
