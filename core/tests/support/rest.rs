//! The way to rest: faults end, and after some time there is nothing left to do.

use std::collections::BTreeSet;
use std::time::Duration;

use livekit_keyd_core::change::Change;
use livekit_keyd_core::rules::Rotation;

use super::fleet::Life;
use super::sim::{Kind, Sim};
use super::state::{Shelf, State, Violation};

impl Sim {
    /// Faults end, and after some time each keyset is at rest with nothing left over.
    pub(crate) fn comes_to_rest(&mut self) -> Result<(), Violation> {
        self.heal();
        let limit = Duration::from_secs(4 * 420);
        self.until_each_rotated(limit)?;
        self.until_each_rested(limit)?;
        self.shared.with(|state| {
            state.rules.rotation = Rotation::Manual;
            state.revision += 1;
        });
        self.restart_rotators();
        self.until_all_rest(limit)?;
        // An orphan is seen, the document is read after that, and then it is written once more.
        for _ in 0..2 {
            self.advance(Duration::from_secs(60));
            self.write_something();
        }
        self.advance(Duration::from_secs(60));
        self.until_all_rest(limit)?;
        self.shared.with(State::check_rest);
        self.violation().map_or(Ok(()), Err)
    }

    fn write_something(&mut self) {
        let keysets = self.shared.with(|state| state.shelves.keys().cloned().collect::<Vec<_>>());
        for keyset in keysets {
            let until = self.now() + Duration::from_secs(1);
            self.operate(&keyset, &Change::Hold { by: "somebody".into(), until }).expect("a hold");
            self.operate(&keyset, &Change::Resume).expect("its end");
        }
    }

    fn heal(&mut self) {
        self.shared.with(|state| {
            state.note("all is healthy from here on");
            state.faults = false;
            state.signers.iter_mut().for_each(|signer| signer.in_touch = true);
            for keyset in state.shelves.keys().cloned().collect::<Vec<_>>() {
                if state.went_back(&keyset) {
                    state.accept_restored(&keyset);
                }
            }
            // A node that came back with an old file while nobody looked stops the rollout; its alarm asks for a restart
            // by hand.
            for index in 0..state.nodes.len() {
                if state.nodes[index].life == Life::Serving {
                    state.restart_node(index);
                }
            }
        });
        while self.shared.with(|state| !state.in_flight.is_empty()) {
            self.something_lands();
        }
        let keysets = self.shared.with(|state| state.shelves.keys().cloned().collect::<Vec<_>>());
        self.init();
        self.settle();
        for keyset in keysets {
            // Refused where nothing is held.
            let _ = self.operate(&keyset, &Change::Resume);
        }
        self.restart_rotators();
    }

    pub(super) fn restart_rotators(&mut self) {
        let now = self.shared.with(|state| state.now);
        for index in 0..self.processes.len() {
            if matches!(self.processes[index].kind, Kind::Rotator) {
                self.revive(index, now);
            }
        }
    }

    /// Where keys change by themselves, they go on to.
    fn until_each_rotated(&mut self, limit: Duration) -> Result<(), Violation> {
        let healthy_since = self.now();
        self.until(limit, |state| {
            let documents = state.shelves.values().filter_map(Shelf::document);
            let mut scheduled = documents.filter(|document| document.rules.rotation != Rotation::Manual);
            let stands = scheduled
                .find(|document| document.last_rotation().is_none_or(|rotation| rotation <= healthy_since));
            stands
                .map(|document| format!("{} has the key of {:?}", document.keyset, document.last_rotation()))
        })
    }

    fn until_each_rested(&mut self, limit: Duration) -> Result<(), Violation> {
        let keysets = self.shared.with(|state| state.shelves.keys().cloned().collect::<Vec<_>>());
        let mut rested = BTreeSet::new();
        self.until(limit, |state| {
            rested.extend(keysets.iter().filter(|keyset| state.unrest(keyset).is_none()).cloned());
            keysets.iter().find(|keyset| !rested.contains(*keyset)).and_then(|keyset| state.unrest(keyset))
        })
    }

    fn until_all_rest(&mut self, limit: Duration) -> Result<(), Violation> {
        self.until(limit, |state| {
            let keysets: Vec<_> = state.shelves.keys().cloned().collect();
            keysets.iter().find_map(|keyset| state.unrest(keyset))
        })
    }

    fn until(
        &mut self,
        limit: Duration,
        mut unrest: impl FnMut(&State) -> Option<String>,
    ) -> Result<(), Violation> {
        let end = self.now() + limit;
        loop {
            self.settle();
            if let Some(violation) = self.violation() {
                return Err(violation);
            }
            let Some(why) = self.shared.with(|state| unrest(state)) else { return Ok(()) };
            self.shared.with(State::restart_by_hand);
            if self.now() >= end {
                return Err(Violation { invariant: 7, what: format!("no rest after {limit:?}: {why}") });
            }
            let next = self.next_wake().unwrap_or(i64::MAX).min(self.now().as_millis() + 1000);
            self.shared.with(|state| state.advance_to(next));
        }
    }
}
