//! The simulator's world with processes that can be copied, and everything that may happen to it.
//!
//! A rotator looks in two parts, then does what its plan has first, write by write.
//! Between any two parts the others may act. What it would write is settled by its
//! look, so a write may also land later, or never.

use livekit_keyd_core::key::KeyId;

use super::event::{Command, Event};
use super::rotator::{Pending, Rotator};
use super::scenario::Scenario;
use crate::support::fleet::Life;
use crate::support::state::State;
use crate::support::write::{Outcome, Write};
use crate::support::{Mutation, signer};

/// The model's keyset.
pub(super) const KEYSET: &str = "set0";
/// How much time passes at once, in milliseconds.
const TICK: i64 = 5000;

#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) state: State,
    pub(super) scenario: &'static Scenario,
    pub(super) rotators: Vec<Rotator>,
    pub(super) under_way: Vec<Write>,
    pub(super) disturbances: usize,
}

impl Machine {
    pub(crate) fn new(scenario: &'static Scenario, state: State) -> Machine {
        let rotators = vec![Rotator::default(); 2];
        Machine { state, scenario, rotators, under_way: Vec::new(), disturbances: 0 }
    }

    /// Everything that may happen, the disturbances only while there is room for one more.
    pub(crate) fn events(&self, most_disturbances: usize) -> Vec<Event> {
        let mut events = vec![Event::Passes];
        for (index, rotator) in self.rotators.iter().enumerate() {
            events.push(match (&rotator.pending, &rotator.publications) {
                (Some(_), _) => Event::Acts(index),
                (None, Some(_)) => Event::Looks(index),
                (None, None) => Event::Begins(index),
            });
        }
        events.extend((0..self.state.signers.len()).map(Event::Refreshes));
        events.extend((0..self.state.dependents.len()).map(Event::Reads));
        events.extend((0..self.under_way.len()).map(Event::Lands));
        if self.state.went_back(KEYSET) {
            events.push(Event::Accepts);
        }
        if self.disturbances < most_disturbances {
            self.disturb(&mut events);
        }
        events
    }

    fn disturb(&self, events: &mut Vec<Event>) {
        for (index, rotator) in self.rotators.iter().enumerate() {
            if rotator.pending.is_some() {
                events.push(Event::Dies(index));
            }
            if matches!(rotator.pending, Some(Pending::Writes { .. })) {
                events.push(Event::Sends(index));
            }
        }
        for (node, there) in self.state.nodes.iter().enumerate() {
            if there.life == Life::Serving && self.state.setup.proven {
                events.extend([false, true].map(|old| Event::Starts { node, old }));
            }
        }
        events.extend(self.scenario.accidents);
        events.extend(self.scenario.commands.iter().copied().map(Event::Commands));
    }

    /// The world after it; whatever can be signed is signed, as tokens only ever add to what must hold.
    pub(crate) fn after(&self, event: Event) -> Machine {
        let mut next = self.clone();
        next.disturbances += usize::from(event.disturbs());
        next.happens(event);
        for index in 0..next.state.signers.len() {
            signer::sign(&mut next.state, index);
        }
        next.state.dependents_sign();
        next.state.check_state();
        next
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Begins(index) => {
                let publications = self.state.publishers.iter();
                let publications = publications.map(|(name, there)| (name.clone(), there.holds.clone()));
                self.rotators[index].publications = Some(publications.collect());
            }
            Event::Looks(index) => self.look(index),
            Event::Acts(index) => self.act(index),
            Event::Refreshes(index) => {
                let (keyset, now) = (self.state.signers[index].keyset.clone(), self.state.now);
                if let Some(document) = self.state.document(&keyset).cloned() {
                    signer::offer(&mut self.state, index, &document, now);
                }
            }
            Event::Reads(index) => self.state.dependent_reads(index),
            Event::Passes => self.state.advance_to(self.state.now + TICK),
            Event::Dies(index) => self.rotators[index].dies(),
            Event::Sends(index) => self.send(index),
            Event::Lands(index) => {
                let write = self.under_way.remove(index);
                self.state.land(write);
            }
            Event::Starts { node, old } => self.state.start_node(node, old),
            Event::Loses => {
                let lost =
                    self.state.document(KEYSET).and_then(|document| document.standbys().next().cloned());
                if let Some(key) = lost {
                    self.state.lose_standby(KEYSET, &key.id);
                }
            }
            Event::GoesBack => {
                // Rotators are stopped before a store is restored: what they had under way is for the one that was.
                self.under_way.clear();
                self.rotators.iter_mut().for_each(Rotator::dies);
                self.state.go_back();
            }
            Event::Accepts => self.state.accept_restored(KEYSET),
            Event::Commands(Command::Configure) => self.state.configure(),
            Event::Commands(command) => self.command(command),
        }
    }

    /// The next write; once one is refused, the rest is dropped and what was made for it is taken back.
    fn act(&mut self, index: usize) {
        match self.rotators[index].pending.take() {
            Some(Pending::Writes { made, mut left }) => {
                let Some(write) = left.pop_front() else { return };
                let write = self.told(index, write);
                if self.state.land(write) != Outcome::Landed {
                    let document = self.state.document(KEYSET).cloned();
                    let named =
                        |id: &KeyId| document.as_ref().is_some_and(|document| document.key(id).is_some());
                    self.state.shelf(KEYSET).standby.retain(|id, _| !made.contains(id) || named(id));
                } else if !left.is_empty() {
                    self.rotators[index].pending = Some(Pending::Writes { made, left });
                }
            }
            Some(Pending::Restart { node, generation, asked_at })
                if self.state.order_restart(&node, generation, asked_at) =>
            {
                self.rotators[index].orders.insert(generation);
            }
            Some(Pending::Restart { .. }) | None => {}
        }
    }

    fn send(&mut self, index: usize) {
        if let Some(Pending::Writes { mut left, .. }) = self.rotators[index].pending.take()
            && let Some(write) = left.pop_front()
        {
            let write = self.told(index, write);
            self.under_way.push(write);
        }
        self.rotators[index].lives += 1;
    }

    /// Dependents are told before it is written down that they were, and when.
    fn told(&mut self, index: usize, mut write: Write) -> Write {
        if let Write::Client { keyset, wanted, .. } = &mut write
            && wanted.changed_at.is_some()
        {
            self.state.tell_dependents(keyset);
            if !self.state.mutated(Mutation::DatesBeforeTelling) {
                wanted.changed_at = Some(self.clock(index));
            }
        }
        write
    }

    /// The world alone, as it is when every process starts anew.
    pub(crate) fn into_state(mut self) -> State {
        for write in std::mem::take(&mut self.under_way) {
            self.state.land(write);
        }
        self.state
    }
}
