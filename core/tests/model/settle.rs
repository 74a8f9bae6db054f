//! What a step of a plan writes, by what was seen; and what an operator's command does.

use std::sync::Arc;

use livekit_keyd_core::change::{Change, Material, apply};
use livekit_keyd_core::document::{Request, WriteId};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Action, KeysetWorld, Step, World};
use livekit_keyd_core::rollout;
use livekit_keyd_core::time::Time;

use super::event::Command;
use super::machine::{KEYSET, Machine};
use super::rotator::Pending;
use crate::support::fleet::StoredRollout;
use crate::support::state::secret_of;
use crate::support::write::Write;
use crate::support::{Mutation, mutant};

impl Machine {
    pub(super) fn settle(&mut self, index: usize, world: &World, step: &Step) -> Option<Pending> {
        let write = match &step.action {
            Action::Save { keyset, change } => {
                let by = self.name(index);
                return match self.save(&by, &world.keysets[keyset], change, world.now) {
                    Ok(pending) => Some(pending),
                    Err(illegal) => self.refused(change, &illegal),
                };
            }
            Action::Publish { publisher, there, wanted } => Write::Publication {
                publisher: publisher.clone(),
                there: there.clone(),
                wanted: wanted.clone(),
            },
            Action::PublishClient { keyset, there, wanted } => {
                Write::Client { keyset: keyset.clone(), there: there.clone(), wanted: wanted.clone() }
            }
            Action::Roll { change } => {
                let fleet = world.proof.fleet()?;
                let (version, rollout) = fleet.rollout.fresh()?;
                let next = match rollout::apply(rollout, change, &fleet.me, world.now) {
                    Ok(next) => next,
                    Err(illegal) => return self.refused(change, &illegal),
                };
                if self.state.mutated(Mutation::RestartsWithoutLease) {
                    let version = version + 1;
                    self.rotators[index].own_lease = StoredRollout { version, rollout: next };
                    return None;
                }
                Write::Rollout { expected: *version, rollout: next }
            }
            Action::Restart { node, generation, .. } => {
                let asked_at = self.rotators[index].asked_at;
                return Some(Pending::Restart { node: node.clone()?, generation: *generation, asked_at });
            }
            Action::Purge { keyset, versions, standby } => {
                let destroy = Write::Destroy { keyset: keyset.clone(), versions: versions.clone() };
                let remove =
                    standby.iter().map(|id| Write::Remove { keyset: keyset.clone(), id: id.clone() });
                let destroy = [destroy].into_iter().filter(|_| !versions.is_empty());
                return Some(Pending::Writes { made: Vec::new(), left: destroy.chain(remove).collect() });
            }
        };
        Some(Pending::Writes { made: Vec::new(), left: [write].into() })
    }

    fn refused(&mut self, change: &dyn std::fmt::Debug, why: &dyn std::fmt::Display) -> Option<Pending> {
        self.state.violate(0, format!("planned, and refused: {change:?}: {why}"));
        None
    }

    fn name(&self, index: usize) -> String {
        format!("R{index}l{}", self.rotators[index].lives)
    }

    pub(super) fn write_name(&self, index: usize) -> WriteId {
        WriteId(format!("{}b{}", self.name(index), self.state.shelves[KEYSET].version()))
    }

    /// Names follow from who writes what, so that two ways to the same world are seen as such.
    fn save(&self, by: &str, seen: &KeysetWorld, change: &Change, now: Time) -> Result<Pending, String> {
        let document = seen.document.fresh().ok_or("there is no document")?;
        let made: Vec<_> = (0..change.creates())
            .map(|number| KeyId::new(format!("API{by}s{}x{number}", document.seq)))
            .collect();
        let write = WriteId(format!("{by}s{}", document.seq));
        let material = Material { fresh: made.clone(), ..mutant::at_hand(seen, write) };
        let next = apply(document, change, now, material).map_err(|illegal| illegal.to_string())?;
        let standby = made.iter().map(|id| Write::Standby {
            keyset: KEYSET.to_owned(),
            id: id.clone(),
            secret: secret_of(id),
        });
        let document = Write::Document {
            keyset: KEYSET.to_owned(),
            expected: seen.versions.current,
            document: Arc::new(next),
            what: change.name().to_owned(),
        };
        let left = if self.state.mutated(Mutation::NamesBeforeWriting) {
            [document].into_iter().chain(standby).collect()
        } else {
            standby.chain([document]).collect()
        };
        Ok(Pending::Writes { made, left })
    }

    /// What the document forbids is not done.
    pub(super) fn command(&mut self, command: Command) {
        let now = self.state.clock(0);
        let Some(seen) = self.seen_by_hand() else { return };
        let active = seen.document.fresh().and_then(|document| document.active(now));
        let Some(active) = active.map(|key| key.id.clone()) else { return };
        let reason = "it was seen in a log".to_owned();
        let change = match command {
            Command::Rotate => Change::Request(Request { by: "an operator".to_owned(), at: now, key: None }),
            Command::Revoke => Change::Revoke { key: active, reason, accept_outage: false },
            Command::Replace => Change::Replace { key: active, reason },
            Command::RevokeAll => Change::RevokeAll { reason },
            Command::Configure => return,
        };
        if let Ok(Pending::Writes { left, .. }) = self.save("operator", &seen, &change, now) {
            for write in left {
                self.state.land(write);
                self.state.check_state();
            }
        }
    }
}
