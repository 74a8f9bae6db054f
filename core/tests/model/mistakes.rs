//! Mistakes, and what catches each: an invariant that breaks within a few events, or a world that does not come to rest.

use std::collections::HashSet;

use livekit_keyd_core::plan::Rule;

use super::event::Event;
use super::explorer::Found;
use super::machine::Machine;
use super::scenario::{
    BEGINNING, BY_HAND, DEPENDENTS, NEGLECTED, RESTORED, RESTORED_WHOLE, ROTATION, Scenario, UNPROVEN, UNTOLD,
};
use crate::support::{Mutation, Sim, Violation};

/// A mistake that is planted, and how it shows.
pub(crate) struct Mistake {
    pub(crate) mutation: Mutation,
    /// The invariant that it breaks; 0 is a rule that is not alive.
    pub(crate) breaks: u8,
    pub(crate) scenario: &'static Scenario,
    /// From how many moments of it.
    pub(crate) moments: usize,
    /// How many events ahead at most.
    pub(crate) depth: usize,
    pub(crate) disturbances: usize,
    /// Which events are looked at.
    pub(crate) admits: fn(Event) -> bool,
}

const fn breaks(breaks: u8, mutation: Mutation, scenario: &'static Scenario) -> Mistake {
    Mistake { mutation, breaks, scenario, moments: 12, depth: 5, disturbances: 1, admits: |_| true }
}

/// Of a rule that is left out: the scenario's worlds do not come to rest, as they are or after one event.
const fn omits(rule: Rule, breaks: u8, scenario: &'static Scenario) -> Mistake {
    let mutation = Mutation::Omits(rule);
    Mistake { mutation, breaks, scenario, moments: 1, depth: 1, disturbances: 1, admits: |_| true }
}

/// One rotator, and time.
fn of_one_rotator(event: Event) -> bool {
    matches!(event, Event::Begins(0) | Event::Looks(0) | Event::Acts(0) | Event::Passes)
}

fn of_rotators(event: Event) -> bool {
    matches!(event, Event::Begins(_) | Event::Looks(_) | Event::Acts(_))
}

/// One for each invariant at least.
pub(crate) const OF_INVARIANTS: [Mistake; 16] = [
    breaks(1, Mutation::SignerIgnoresLease, &ROTATION),
    breaks(1, Mutation::SignerForgivesCompromise, &ROTATION),
    Mistake {
        depth: 18,
        moments: 60,
        admits: of_one_rotator,
        ..breaks(2, Mutation::ProvesUnasked, &BEGINNING)
    },
    breaks(2, Mutation::GivesBeforeCommitting, &DEPENDENTS),
    breaks(3, Mutation::RetiresEarly, &ROTATION),
    breaks(3, Mutation::ForgetsDependents, &UNTOLD),
    Mistake { depth: 6, admits: of_one_rotator, ..breaks(3, Mutation::DatesBeforeTelling, &DEPENDENTS) },
    Mistake { depth: 6, moments: 60, admits: of_rotators, ..breaks(4, Mutation::WritesBlindly, &ROTATION) },
    breaks(4, Mutation::IgnoresVector, &RESTORED),
    Mistake { depth: 12, moments: 40, admits: of_one_rotator, ..breaks(6, Mutation::ProvesEarly, &UNPROVEN) },
    breaks(5, Mutation::SignerForgetsMark, &RESTORED),
    breaks(5, Mutation::AcceptsUnasked, &RESTORED_WHOLE),
    breaks(6, Mutation::ErasesEarly, &ROTATION),
    breaks(6, Mutation::Omits(Rule::Purge), &ROTATION),
    breaks(7, Mutation::NamesBeforeWriting, &ROTATION),
    Mistake {
        depth: 10,
        moments: 60,
        admits: |event| event == Event::Starts { node: 0, old: true } || of_one_rotator(event),
        ..breaks(8, Mutation::RestartsWithoutLease, &ROTATION)
    },
];

/// One for each rule of the planner.
pub(crate) const OF_RULES: [Mistake; 16] = [
    omits(Rule::Settle, 7, &BY_HAND),
    omits(Rule::Bound, 7, &ROTATION),
    omits(Rule::Prove, 7, &BEGINNING),
    omits(Rule::Replace, 7, &BY_HAND),
    omits(Rule::Bootstrap, 7, &BEGINNING),
    omits(Rule::Fire, 7, &ROTATION),
    omits(Rule::Request, 7, &BY_HAND),
    omits(Rule::Miss, 7, &NEGLECTED),
    omits(Rule::Retire, 0, &ROTATION),
    omits(Rule::Replenish, 7, &BY_HAND),
    omits(Rule::Abandon, 7, &BY_HAND),
    omits(Rule::Erase, 7, &ROTATION),
    omits(Rule::Publish, 7, &BEGINNING),
    omits(Rule::Client, 7, &DEPENDENTS),
    omits(Rule::Roll, 7, &BEGINNING),
    omits(Rule::Purge, 6, &ROTATION),
];

impl Mistake {
    /// The shortest way to what it breaks, and how many worlds were looked at.
    pub(crate) fn shortest(&self) -> (Option<Found>, usize) {
        let moments = self.scenario.moments(self.moments, self.mutation);
        let machines: Vec<_> =
            moments.into_iter().map(|moment| Machine::new(self.scenario, moment)).collect();
        let mut seen = HashSet::new();
        let mut now: Vec<_> =
            machines.iter().cloned().enumerate().map(|(at, it)| (at, it, Vec::new())).collect();
        for _ in 0..=self.depth {
            let mut next = Vec::new();
            for (moment, machine, events) in now {
                if !seen.insert(machine.digest()) {
                    continue;
                }
                if let Some(violation) = self.broken(&machine) {
                    let found = Found::by(violation, moment, machines[moment].clone(), events);
                    return (Some(found), seen.len());
                }
                for event in
                    machine.events(self.disturbances).into_iter().filter(|event| (self.admits)(*event))
                {
                    let events = events.iter().copied().chain([event]).collect();
                    next.push((moment, machine.after(event), events));
                }
            }
            now = next;
        }
        (None, seen.len())
    }

    /// A rule that is left out shows where the world is to come to rest.
    fn broken(&self, machine: &Machine) -> Option<Violation> {
        let rests = || Sim::resume(machine.clone().into_state()).comes_to_rest().err();
        let omits = matches!(self.mutation, Mutation::Omits(_));
        machine.state.violation.clone().or_else(|| omits.then(rests).flatten())
    }
}
