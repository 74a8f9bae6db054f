//! What happens next: drawn from the seed in a walk, in turn when all is healthy.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use livekit_keyd_core::change::{Change, Illegal, Material, apply};
use livekit_keyd_core::document::{Document, WriteId};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{KeysetWorld, Observed, Proof, Publication, Standby, Versions, World};
use livekit_keyd_core::rules::Rotation;
use livekit_keyd_core::time::Time;

use super::operator::{self, Command};
use super::rotator::Rotator;
use super::state::{Publisher, Shared, State, Violation, Write};
use super::{Mutation, Setup, signer};

/// Until when a process sleeps, by the true time.
#[derive(Clone, Default)]
pub(crate) struct Sleep(Rc<Cell<i64>>);

impl Sleep {
    pub(crate) async fn until(&self, shared: &Shared, time: i64) {
        self.0.set(time);
        shared.turn().await;
    }
}

enum Kind {
    Rotator,
    Signer,
    Operator,
}

struct Process {
    kind: Kind,
    sleep: Sleep,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// A world and the processes in it.
pub(crate) struct Sim {
    pub(crate) shared: Shared,
    processes: Vec<Process>,
    rotators: usize,
}

/// The most polls at one moment before processes are taken to chase each other for ever.
const MOST_POLLS: usize = 20_000;

impl Sim {
    pub(crate) fn new(setup: &Setup) -> Sim {
        let shared = Shared(Rc::new(RefCell::new(State::new(setup))));
        let mut sim = Sim { shared, processes: Vec::new(), rotators: 0 };
        for _ in 0..setup.rotators {
            let rotator = sim.new_rotator(Sleep::default());
            sim.processes.push(rotator);
        }
        for index in 0..setup.signers {
            let sleep = Sleep::default();
            let future = Box::pin(signer::refresh(index, sim.shared.clone(), sleep.clone()));
            sim.processes.push(Process { kind: Kind::Signer, sleep, future });
        }
        sim
    }

    /// Processes anew in a world that is as it is.
    pub(crate) fn resume(state: State) -> Sim {
        let setup = state.setup.clone();
        let mut sim = Sim::new(&setup);
        *sim.shared.0.borrow_mut() = state;
        sim.restart_rotators();
        sim
    }

    fn new_rotator(&mut self, sleep: Sleep) -> Process {
        self.rotators += 1;
        let rotator = Rotator::new(format!("R{}", self.rotators), self.shared.clone(), sleep.clone());
        Process { kind: Kind::Rotator, sleep, future: Box::pin(rotator.run()) }
    }

    fn operator(&mut self, future: impl Future<Output = ()> + 'static) {
        let process = Process { kind: Kind::Operator, sleep: Sleep::default(), future: Box::pin(future) };
        self.processes.push(process);
    }

    /// Somebody runs `init` for every keyset.
    pub(crate) fn init(&mut self) {
        let keysets = self.shared.with(|state| state.shelves.keys().cloned().collect::<Vec<_>>());
        for keyset in keysets {
            self.operator(operator::init(keyset, self.shared.clone()));
        }
    }

    fn poll(&mut self, index: usize) {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = self.processes[index].future.as_mut().poll(&mut context) {
            self.processes.swap_remove(index);
        }
    }

    fn awake(&self) -> Vec<usize> {
        let now = self.shared.with(|state| state.now);
        (0..self.processes.len()).filter(|index| self.processes[*index].sleep.0.get() <= now).collect()
    }

    fn next_wake(&self) -> Option<i64> {
        self.processes.iter().map(|process| process.sleep.0.get()).min()
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.shared.with(|state| state.violation.clone())
    }

    /// What happened lately, for whoever reads of a failure.
    pub(crate) fn trace(&self) -> String {
        self.shared.with(|state| state.trace.iter().cloned().collect::<Vec<_>>().join("\n"))
    }

    // ---- a walk ----

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
                if state.nodes[index].life == super::fleet::Life::Serving {
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

    fn something_lands(&mut self) {
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

    fn revive(&mut self, index: usize, at: i64) {
        let sleep = Sleep::default();
        sleep.0.set(at);
        self.processes[index] = self.new_rotator(sleep);
    }

    // ---- when all is healthy ----

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
                if state.nodes[index].life == super::fleet::Life::Serving {
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

    fn restart_rotators(&mut self) {
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
            let documents = state.shelves.values().filter_map(super::state::Shelf::document);
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

    /// All processes act in turn until they sleep, at this very moment; then every signer makes a token.
    pub(crate) fn settle(&mut self) {
        self.settle_watched(&mut |_| {});
    }

    fn settle_watched(&mut self, see: &mut dyn FnMut(&State)) {
        let mut written = self.shared.with(|state| state.writes);
        for polls in 0.. {
            let awake = self.awake();
            let Some(index) = awake.get(polls % awake.len().max(1)) else { break };
            self.poll(*index);
            let writes = self.shared.with(|state| state.writes);
            if std::mem::replace(&mut written, writes) != writes {
                self.shared.with(|state| see(state));
            }
            if polls > MOST_POLLS {
                self.shared.with(|state| state.violate(0, "no end of steps at one moment".into()));
                break;
            }
        }
        self.shared.with(|state| {
            for index in 0..state.signers.len() {
                signer::sign(state, index);
            }
            state.dependents_sign();
            state.check_state();
        });
    }

    /// Time passes, and whoever wakes in it acts at once.
    pub(crate) fn advance(&mut self, duration: Duration) {
        self.watch(duration, &mut |_| {});
    }

    /// As [`Sim::advance`]; whoever watches sees the world whenever something was written.
    pub(crate) fn watch(&mut self, duration: Duration, see: &mut dyn FnMut(&State)) {
        let target = (self.now() + duration).as_millis();
        loop {
            self.settle_watched(see);
            let next = self.next_wake().unwrap_or(i64::MAX).min(target);
            self.shared.with(|state| state.advance_to(next));
            if next == target {
                break;
            }
        }
        self.settle_watched(see);
    }

    /// As [`Sim::advance`], up to a moment.
    pub(crate) fn advance_to(&mut self, time: Time) {
        self.advance(time.since(self.now()));
    }

    pub(crate) fn start(&self) -> Time {
        self.shared.with(|state| state.setup.start)
    }

    pub(crate) fn now(&self) -> Time {
        self.shared.with(|state| state.clock(0))
    }

    // ---- what an operator sees and does ----

    /// A change of a document, made at once.
    pub(crate) fn operate(&mut self, keyset: &str, change: &Change) -> Result<(), Illegal> {
        let now = self.now();
        self.operate_at(keyset, change, now)
    }

    pub(crate) fn operate_at(&mut self, keyset: &str, change: &Change, now: Time) -> Result<(), Illegal> {
        self.shared.with(|state| {
            let write = WriteId(state.new_name());
            let shelf = &state.shelves[keyset];
            let secrets = shelf.standby.clone().into_iter().collect();
            let document = shelf.document().expect("a document");
            let expected = shelf.version();
            let next = apply(document, change, now, Material { secrets, ..Material::none(write) })?;
            let what = format!("{} by hand", change.name());
            state.land(Write::Document {
                keyset: keyset.to_owned(),
                expected,
                document: Arc::new(next),
                what,
            });
            Ok(())
        })?;
        // The daemon that carried it out looks again at once.
        let now = self.shared.with(|state| state.now);
        for process in &self.processes {
            process.sleep.0.set(process.sleep.0.get().min(now));
        }
        Ok(())
    }

    pub(crate) fn document(&self, keyset: &str) -> Arc<Document> {
        self.shared.with(|state| Arc::clone(state.document(keyset).expect("a document")))
    }

    pub(crate) fn publisher(&self, name: &str) -> Publisher {
        self.shared.with(|state| state.publishers[name].clone())
    }

    /// The world as a rotator sees it that can read everything and whose clock is right.
    pub(crate) fn world(&self) -> World {
        self.shared.with(|state| {
            let keysets = state.shelves.iter().filter_map(|(name, shelf)| {
                let standby = shelf.standby.iter().map(|(id, secret)| {
                    (id.clone(), Standby { secret: Some(secret.clone()), seen_at_seq: u64::MAX })
                });
                let seen = KeysetWorld {
                    document: Observed::Fresh(Arc::clone(shelf.document()?)),
                    rules: state.rules.clone(),
                    revision: Some(state.revision),
                    standby: standby.collect(),
                    versions: Versions { current: shelf.version(), older: Vec::new() },
                    client: state.clients.get(name).cloned().map(Observed::Fresh),
                    source: None,
                };
                Some((name.clone(), seen))
            });
            let publications = state.publishers.iter();
            World {
                now: state.clock(0),
                proof: Proof::Disabled,
                keysets: keysets.collect(),
                publications: publications
                    .map(|(name, there)| (name.clone(), Observed::Fresh(there.holds.clone())))
                    .collect(),
            }
        })
    }

    /// From now on everybody makes this mistake.
    pub(crate) fn mistake(&mut self, mutation: Mutation) {
        self.shared.with(|state| {
            let setup = Setup { mutation, ..Setup::clone(&state.setup) };
            state.setup = Rc::new(setup);
        });
    }

    /// All rotators are down for so long.
    pub(crate) fn rotators_are_down_for(&mut self, duration: Duration) {
        let until = (self.now() + duration).as_millis();
        for process in self.processes.iter().filter(|process| matches!(process.kind, Kind::Rotator)) {
            process.sleep.0.set(until);
        }
    }

    /// Somebody else writes where LiveKit reads.
    pub(crate) fn overwrite_publication(&mut self, name: &str, holds: Publication) {
        self.shared.with(|state| {
            state.publishers.get_mut(name).expect("a publisher").holds = holds;
        });
    }

    /// How often each rule's step was done.
    pub(crate) fn steps(&self) -> BTreeMap<&'static str, usize> {
        self.shared.with(|state| state.steps.clone())
    }

    /// The key that a signer signs with now.
    pub(crate) fn signs_with(&self, index: usize) -> Option<KeyId> {
        self.shared.with(|state| signer::sign(state, index))
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
