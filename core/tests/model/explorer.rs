//! Every way on from a scenario's moments, to a depth; each world that was seen with as much room ahead is gone on from
//! only once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::event::Event;
use super::machine::Machine;
use super::scenario::{Scenario, Size};
use crate::support::{Mutation, Sim, Violation};

/// A broken invariant, with the events that led to it from a moment of the scenario.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) violation: Violation,
    pub(crate) moment: usize,
    pub(crate) events: Vec<Event>,
    /// What was written on the way, in words.
    pub(crate) trace: String,
}

impl Found {
    /// The way from a moment is gone once more, aloud.
    pub(crate) fn by(violation: Violation, moment: usize, mut machine: Machine, events: Vec<Event>) -> Found {
        machine.state.quiet = false;
        for event in &events {
            machine.state.note(format!("{event:?}"));
            machine = machine.after(*event);
        }
        let trace = machine.state.trace.iter().cloned().collect::<Vec<_>>().join("\n");
        Found { violation, moment, events, trace }
    }
}

/// What became of a new world.
enum Visit {
    New,
    /// It was seen with less room ahead.
    Deeper,
    Known,
}

/// How much room ahead each world had, by its digest; shared by threads.
struct Seen(Vec<Mutex<HashMap<u64, u8>>>);

impl Seen {
    fn new() -> Seen {
        Seen((0..64).map(|_| Mutex::default()).collect())
    }

    fn visit(&self, digest: u64, room: usize) -> Visit {
        let part = &self.0[(digest % 64) as usize];
        let room = u8::try_from(room).unwrap_or(u8::MAX);
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        match part.get_mut(&digest) {
            None => {
                part.insert(digest, room);
                Visit::New
            }
            Some(known) if *known >= room => Visit::Known,
            Some(known) => {
                *known = room;
                Visit::Deeper
            }
        }
    }

    fn len(&self) -> usize {
        self.0.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

/// One scenario, with or without a mistake, explored to a depth.
pub(crate) struct Explorer {
    scenario: &'static Scenario,
    size: Size,
    seen: Seen,
    next_moment: AtomicUsize,
    transitions: AtomicUsize,
    rested: AtomicUsize,
}

impl Explorer {
    pub(crate) fn new(scenario: &'static Scenario, size: Size) -> Explorer {
        Explorer {
            scenario,
            size,
            seen: Seen::new(),
            next_moment: AtomicUsize::new(0),
            transitions: AtomicUsize::new(0),
            rested: AtomicUsize::new(0),
        }
    }

    /// How many worlds there are, how many steps led to them, and how many of them were brought to rest.
    pub(crate) fn figures(&self) -> (usize, usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        (self.seen.len(), count(&self.transitions), count(&self.rested))
    }

    /// From every moment, on two threads.
    pub(crate) fn explore(&self) -> Option<Found> {
        std::thread::scope(|threads| {
            let halves = [(); 2].map(|()| threads.spawn(|| self.explore_moments()));
            let found = halves.map(|half| half.join().expect("the explorer itself does not fail"));
            found.into_iter().flatten().min_by_key(|found| found.events.len())
        })
    }

    /// Those that no other thread has taken.
    fn explore_moments(&self) -> Option<Found> {
        let moments = self.scenario.moments(self.size.moments, Mutation::None);
        loop {
            let moment = self.next_moment.fetch_add(1, Ordering::Relaxed);
            let machine = Machine::new(self.scenario, moments.get(moment)?.clone());
            let mut events = Vec::new();
            let found = self.visit(&machine, self.size.depth, &mut events);
            if let Err(violation) = found {
                return Some(Found::by(violation, moment, machine, events));
            }
        }
    }

    /// Leaves the events that led to what it found.
    fn visit(&self, machine: &Machine, left: usize, events: &mut Vec<Event>) -> Result<(), Violation> {
        if let Some(violation) = machine.state.violation.clone() {
            return Err(violation);
        }
        match self.seen.visit(machine.digest(), left) {
            Visit::Known => return Ok(()),
            Visit::New => self.rest(machine)?,
            Visit::Deeper => {}
        }
        if left > 0 {
            for event in machine.events(self.size.disturbances) {
                events.push(event);
                self.transitions.fetch_add(1, Ordering::Relaxed);
                self.visit(&machine.after(event), left - 1, events)?;
                events.pop();
            }
        }
        Ok(())
    }

    /// Of so many new worlds one is asked to come to rest.
    fn rest(&self, machine: &Machine) -> Result<(), Violation> {
        let (digest, one_in) = (machine.digest(), self.size.one_in);
        if one_in == 0 || !digest.is_multiple_of(one_in) {
            return Ok(());
        }
        self.rested.fetch_add(1, Ordering::Relaxed);
        Sim::resume(machine.clone().into_state()).comes_to_rest()
    }
}
