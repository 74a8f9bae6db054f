//! What processes write, and what becomes of it; and what happens to the store and the configuration by itself.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{ClientKey, Publication};
use livekit_keyd_core::rollout::Rollout;
use livekit_keyd_core::rules::Rules;
use livekit_keyd_core::secret::Secret;

use super::Mutation;
use super::fleet::StoredRollout;
use super::state::State;

/// A change of something outside of a process.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Standby { keyset: String, id: KeyId, secret: Secret },
    Remove { keyset: String, id: KeyId },
    Document { keyset: String, expected: u64, document: Arc<Document>, what: String },
    Destroy { keyset: String, versions: Vec<u64> },
    Publication { publisher: String, there: Publication, wanted: Publication },
    Client { keyset: String, there: ClientKey, wanted: ClientKey },
    Rollout { expected: u64, rollout: Rollout },
}

/// What a process learns of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Landed,
    Conflict,
    /// No answer: it may have landed, it may land later, or never.
    Unknown,
}

#[derive(Clone)]
pub(crate) struct InFlight {
    pub(crate) write: Write,
    pub(crate) answer: Option<Rc<Cell<Option<Outcome>>>>,
}

impl State {
    /// Carries a write out, if what it expects is there.
    pub(crate) fn land(&mut self, write: Write) -> Outcome {
        match write {
            Write::Standby { keyset, id, secret } => {
                self.shelf(&keyset).standby.insert(id, secret);
            }
            Write::Remove { keyset, id } => {
                self.shelf(&keyset).standby.remove(&id);
            }
            Write::Document { keyset, expected, document, what } => {
                let blind = self.mutated(Mutation::WritesBlindly);
                if self.shelf(&keyset).version() != expected && !blind {
                    return Outcome::Conflict;
                }
                self.note(format!("{keyset} seq {}: {what}", document.seq));
                let before = self.document(&keyset).cloned();
                self.check_document_change(before.as_deref(), &document);
                self.shelf(&keyset).versions.push(Some(document));
            }
            Write::Destroy { keyset, versions } => {
                let shelf = self.shelf(&keyset);
                for version in versions {
                    shelf.versions[version as usize - 1] = None;
                }
            }
            Write::Publication { publisher, there, wanted } => {
                let blind = self.mutated(Mutation::PublishesBlindly);
                if self.publisher(&publisher).holds != there && !blind {
                    return Outcome::Conflict;
                }
                self.replace(&publisher, wanted);
            }
            Write::Client { keyset, there, wanted } => {
                if self.clients.get(&keyset) != Some(&there) {
                    return Outcome::Conflict;
                }
                self.check_client_change(&keyset, &there, &wanted);
                let given = wanted.key.as_ref().map(|(id, _)| id.as_str());
                self.note(format!(
                    "dependents of {keyset} are given {given:?}, dated {:?}",
                    wanted.changed_at
                ));
                self.clients.insert(keyset, wanted);
            }
            Write::Rollout { expected, rollout } => {
                if self.rollout.version != expected {
                    return Outcome::Conflict;
                }
                let restarting = rollout.restarting.as_ref().map(|restart| (&restart.node, &restart.by));
                self.note(format!("rollout {}: {restarting:?}", rollout.generation));
                self.rollout = StoredRollout { version: self.rollout.version + 1, rollout };
            }
        }
        self.writes += 1;
        Outcome::Landed
    }

    fn replace(&mut self, name: &str, wanted: Publication) {
        let there = self.publisher(name).holds.clone();
        self.check_publication_change(name, &there, &wanted);
        let changed = !wanted.same_keys(&there);
        if changed && !self.setup.proven {
            let deadline = self.now + self.rules.publish_delay.as_millis() as i64;
            for node in self.nodes.iter_mut().filter(|node| node.publisher == name) {
                node.deadline.get_or_insert(deadline);
            }
        }
        let ids: Vec<_> = wanted.keys.iter().map(|(id, _)| id.to_string()).collect();
        let verb = if changed { "holds" } else { "is renewed:" };
        self.note(format!("{name} {verb} {} of {:?}", ids.join(" "), wanted.vector.0));
        let publisher = self.publisher(name);
        if changed {
            publisher.before = there;
        }
        publisher.is_old = false;
        publisher.holds = wanted;
        publisher.writes += 1;
        publisher.changes += usize::from(changed);
        // Nodes that read at once have read.
        self.advance_to(self.now);
    }

    /// The configuration gets other rules, under a higher number.
    pub(crate) fn configure(&mut self) {
        let [shorter, longer] = [90, 120].map(Duration::from_secs);
        let overlap = if self.rules.overlap == shorter { longer } else { shorter };
        self.rules = Rules { overlap, ..self.rules.clone() };
        self.revision += 1;
    }

    pub(crate) fn lose_standby(&mut self, keyset: &str, id: &KeyId) {
        self.note(format!("the store loses the secret of {id}"));
        self.writes += 1;
        let shelf = self.shelf(keyset);
        shelf.standby.remove(id);
        shelf.lost.insert(id.clone());
    }
}
