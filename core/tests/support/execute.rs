//! One step of a rotator's plan, carried out.

use std::sync::Arc;

use livekit_keyd_core::change::{Change, apply};
use livekit_keyd_core::document::{Document, Lineage, WriteId};
use livekit_keyd_core::plan::{Action, KeysetWorld, Publication, Step, World};
use livekit_keyd_core::rollout;
use livekit_keyd_core::time::Time;

use super::fleet::StoredRollout;
use super::mutant::{self, Mutation};
use super::rotator::Rotator;
use super::write::{Outcome, Write};

impl Rotator {
    pub(super) async fn execute(&self, world: &World, step: &Step) -> Outcome {
        match &step.action {
            Action::Save { keyset, change } => {
                let seen = &world.keysets[keyset];
                let document = seen.document.fresh().expect("plans rest on fresh documents");
                self.save(keyset, seen, document, change, world.now).await
            }
            Action::Publish { publisher, there, wanted } => {
                let (there, mut wanted) = (there.clone(), wanted.clone());
                let old = self.last_look.as_ref().filter(|_| self.mutated(Mutation::PublishesOldLook));
                if let Some(old) = old.and_then(|look| Publication::wanted(look, &there)) {
                    wanted = Publication { changed_at: wanted.changed_at, ..old };
                    wanted.vector.0 = self
                        .last_look
                        .iter()
                        .flat_map(|look| &look.keysets)
                        .filter_map(vector_part)
                        .collect();
                }
                let write = Write::Publication { publisher: publisher.clone(), there, wanted };
                self.shared.write(write).await
            }
            Action::Roll { change } => {
                let fleet = world.proof.fleet().expect("rollouts come of proof");
                let (version, rollout) = fleet.rollout.fresh().expect("plans rest on what is fresh");
                match rollout::apply(rollout, change, &self.name, self.clock()) {
                    Ok(next) if self.mutated(Mutation::RestartsWithoutLease) => {
                        let version = self.own_lease.borrow().version + 1;
                        *self.own_lease.borrow_mut() = StoredRollout { version, rollout: next };
                        self.shared.with(|state| state.writes += 1);
                        Outcome::Landed
                    }
                    Ok(next) => self.shared.write(Write::Rollout { expected: *version, rollout: next }).await,
                    Err(illegal) => {
                        self.complain(format!("planned, and refused: {change:?}: {illegal}"));
                        Outcome::Unknown
                    }
                }
            }
            Action::Restart { node, generation, .. } => {
                self.shared.turn().await;
                let node = node.as_ref().expect("nodes are restarted one by one here");
                let asked_at = self.asked.get(node).copied().unwrap_or_default();
                let until = self.shared.with(|state| {
                    state.writes += 1;
                    let done = state.order_restart(node, *generation, asked_at);
                    done.then(|| state.now + state.random.between(0, 30_000))
                });
                let Some(until) = until else { return Outcome::Conflict };
                self.orders.borrow_mut().insert(*generation, until);
                Outcome::Landed
            }
            Action::PublishClient { keyset, there, wanted } => {
                let mut wanted = wanted.clone();
                if wanted.changed_at.is_some() {
                    self.shared.turn().await;
                    self.shared.with(|state| state.tell_dependents(keyset));
                    wanted.changed_at = Some(self.clock());
                }
                let write = Write::Client { keyset: keyset.clone(), there: there.clone(), wanted };
                self.shared.write(write).await
            }
            Action::Purge { keyset, versions, standby } => {
                if !versions.is_empty() {
                    let write = Write::Destroy { keyset: keyset.clone(), versions: versions.clone() };
                    if self.shared.write(write).await != Outcome::Landed {
                        return Outcome::Unknown;
                    }
                }
                for id in standby {
                    let write = Write::Remove { keyset: keyset.clone(), id: id.clone() };
                    if self.shared.write(write).await != Outcome::Landed {
                        return Outcome::Unknown;
                    }
                }
                Outcome::Landed
            }
        }
    }

    /// Secrets lie in the store before a document names them.
    async fn save(
        &self,
        keyset: &str,
        seen: &KeysetWorld,
        document: &Document,
        change: &Change,
        now: Time,
    ) -> Outcome {
        let write = WriteId(self.shared.with(|state| state.new_name()));
        let mut material = mutant::at_hand(seen, write);
        let mut secrets = Vec::new();
        for _ in 0..change.creates() {
            let (id, secret) = self.shared.with(|state| state.new_key());
            let write = Write::Standby { keyset: keyset.to_owned(), id: id.clone(), secret };
            if self.mutated(Mutation::NamesBeforeWriting) {
                secrets.push(write);
            } else if self.shared.write(write).await != Outcome::Landed {
                return Outcome::Unknown;
            }
            material.fresh.push(id);
        }
        let fresh = material.fresh.clone();
        let next = match apply(document, change, now, material) {
            Ok(next) => Arc::new(next),
            Err(illegal) => {
                self.complain(format!("planned, and refused: {change:?}: {illegal}"));
                return Outcome::Unknown;
            }
        };
        let what = format!("{} by {} at {}: {}", change.name(), self.name, self.clock(), detail(change));
        let expected = seen.versions.current;
        let write = Write::Document { keyset: keyset.to_owned(), expected, document: next, what };
        let outcome = self.shared.write(write).await;
        for secret in secrets {
            self.shared.write(secret).await;
        }
        if outcome == Outcome::Conflict {
            for id in fresh {
                self.shared.write(Write::Remove { keyset: keyset.to_owned(), id }).await;
            }
        }
        outcome
    }
}

fn vector_part((name, seen): (&String, &KeysetWorld)) -> Option<(String, (Lineage, u64))> {
    let document = seen.document.last()?;
    Some((name.clone(), (document.lineage.clone(), document.seq)))
}

fn detail(change: &Change) -> String {
    match (change, change.key()) {
        (Change::Commit { not_before, cause, .. }, Some(key)) => {
            format!("{key} from {not_before}, {cause:?}")
        }
        (_, Some(key)) => key.to_string(),
        _ => String::new(),
    }
}
