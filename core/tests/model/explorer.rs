//! Every way on from a world, to a depth; each world that was seen with as much room ahead is gone on from only once.

use std::collections::HashMap;

use super::machine::{Event, Machine};
use crate::support::{Sim, Violation};

/// A broken invariant, with the events that led to it.
pub(crate) struct Found {
    pub(crate) violation: Violation,
    pub(crate) events: Vec<Event>,
}

pub(crate) struct Explorer {
    /// How many events ahead.
    pub(crate) depth: usize,
    pub(crate) most_disturbances: usize,
    /// Of so many new worlds one is asked to come to rest.
    pub(crate) one_in: usize,
    /// How much room ahead each world had, by its digest.
    pub(crate) seen: HashMap<u64, u8>,
    pub(crate) transitions: usize,
    pub(crate) rested: usize,
}

impl Explorer {
    pub(crate) fn explore(&mut self, machine: &Machine) -> Result<(), Box<Found>> {
        self.explore_from(machine, self.depth, &mut Vec::new())
    }

    fn explore_from(
        &mut self,
        machine: &Machine,
        left: usize,
        events: &mut Vec<Event>,
    ) -> Result<(), Box<Found>> {
        if left == 0 {
            return Ok(());
        }
        for event in machine.events(self.most_disturbances) {
            events.push(event);
            self.transitions += 1;
            let next = machine.after(event);
            if let Some(violation) = next.state.violation.clone() {
                return Err(Box::new(Found { violation, events: events.clone() }));
            }
            let room = u8::try_from(left).unwrap_or(u8::MAX);
            let known = self.seen.insert(next.digest(), room);
            if let Some(known) = known.filter(|known| *known >= room) {
                self.seen.insert(next.digest(), known);
            } else {
                if known.is_none() && self.seen.len().is_multiple_of(self.one_in) {
                    self.rest(&next, events)?;
                }
                self.explore_from(&next, left - 1, events)?;
            }
            events.pop();
        }
        Ok(())
    }

    fn rest(&mut self, machine: &Machine, events: &[Event]) -> Result<(), Box<Found>> {
        self.rested += 1;
        let rested = Sim::resume(machine.clone().into_state()).comes_to_rest();
        rested.map_err(|violation| Box::new(Found { violation, events: events.to_vec() }))
    }
}
