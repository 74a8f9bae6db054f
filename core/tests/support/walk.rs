//! A walk: what happens next is drawn from the seed.

use super::operator::{self, Command};
use super::sim::{Kind, Sim, Sleep};
use super::state::{State, Violation};
use super::{fleet, signer};

impl Sim {
    /// So many events, drawn from the seed; ends at the first broken invariant.
    pub(crate) fn walk(&mut self, events: usize) -> Result<(), Violation> {
        for _ in 0..events {
            self.event();
            self.shared.with(State::dependents_sign);
            self.shared.with(State::check_state);
            if let Some(violation) = self.violation() {
                return Err(violation);
            }
        }
        Ok(())
    }

    fn event(&mut self) {
        let draw = self.shared.with(|state| state.random.below(1000));
        match draw {
            0..700 => self.somebody_acts(),
            700..850 => self.shared.with(|state| {
                let target = state.now + state.random.between(0, 1500);
                state.advance_to(target);
            }),
            850..860 => self.shared.with(|state| {
                if !state.dependents.is_empty() {
                    let index = state.random.below(state.dependents.len());
                    state.dependent_reads(index);
                }
            }),
            860..930 => self.shared.with(|state| {
                let index = state.random.below(state.signers.len());
                signer::sign(state, index);
            }),
            930..945 => self.shared.with(|state| {
                let index = state.random.below(state.nodes.len());
                // Somebody else's restart is none of our business, but it must not come in the middle of ours.
                if state.nodes[index].life == fleet::Life::Serving {
                    state.restart_node(index);
                }
            }),
            945..970 => self.something_lands(),
            970..980 => self.rotator_dies(),
            980..988 => self.shared.with(|state| {
                let index = state.random.below(state.signers.len());
                let long = state.random.chance(300);
                state.signers[index].in_touch = !state.signers[index].in_touch || !long;
            }),
            988..994 if self.shared.with(|state| state.random.chance(state.setup.unrest)) => {
                let (keyset, command) = self.shared.with(|state| {
                    let keysets: Vec<_> = state.shelves.keys().cloned().collect();
                    let keyset = keysets[state.random.below(keysets.len())].clone();
                    (keyset, Command::ALL[state.random.below(Command::ALL.len())])
                });
                self.operator(operator::command(keyset, command, self.shared.clone()));
            }
            994 if self.shared.with(|state| state.random.chance(state.setup.unrest)) => {
                self.shared.with(lose_a_standby);
            }
            995..998 => self.somebody_stalls(),
            998 => self.shared.with(State::configure),
            _ => self.shared.with(|state| {
                let target = state.now + state.random.between(0, 40_000);
                state.advance_to(target);
            }),
        }
    }

    fn somebody_acts(&mut self) {
        let awake = self.awake();
        if awake.is_empty() {
            if let Some(wake) = self.next_wake() {
                self.shared.with(|state| state.advance_to(wake));
            }
        } else {
            let index = self.shared.with(|state| awake[state.random.below(awake.len())]);
            self.poll(index);
        }
    }

    /// Between any two of a process's events much may happen elsewhere.
    fn somebody_stalls(&mut self) {
        let (index, until) = self.shared.with(|state| {
            let stall = if state.random.chance(500) { 500 } else { 30_000 };
            (state.random.below(self.processes.len()), state.now + state.random.between(0, stall))
        });
        self.processes[index].sleep.0.set(until);
    }

    pub(super) fn something_lands(&mut self) {
        self.shared.with(|state| {
            if !state.in_flight.is_empty() {
                let index = state.random.below(state.in_flight.len());
                let landed = state.in_flight.swap_remove(index);
                let outcome = state.land(landed.write);
                if let Some(answer) = landed.answer {
                    answer.set(Some(outcome));
                }
            }
        });
    }

    fn rotator_dies(&mut self) {
        let rotators: Vec<_> = (0..self.processes.len())
            .filter(|index| matches!(self.processes[*index].kind, Kind::Rotator))
            .collect();
        let (index, back) = self.shared.with(|state| {
            state.note("a rotator dies");
            let away = if state.random.chance(200) { state.random.between(0, 600_000) } else { 0 };
            (rotators[state.random.below(rotators.len())], state.now + away)
        });
        self.revive(index, back);
    }

    pub(super) fn revive(&mut self, index: usize, at: i64) {
        let sleep = Sleep::default();
        sleep.0.set(at);
        self.processes[index] = self.new_rotator(sleep);
    }
}

fn lose_a_standby(state: &mut State) {
    let keysets: Vec<_> = state.shelves.keys().cloned().collect();
    let keyset = &keysets[state.random.below(keysets.len())];
    let Some(document) = state.document(keyset).cloned() else { return };
    let ids: Vec<_> = document.standbys().map(|key| key.id.clone()).collect();
    if !ids.is_empty() {
        let id = ids[state.random.below(ids.len())].clone();
        state.lose_standby(&keyset.clone(), &id);
    }
}
