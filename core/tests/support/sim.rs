//! A world and the processes in it, which act in turn.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use livekit_keyd_core::time::Time;

use super::operator;
use super::rotator::Rotator;
use super::shared::Shared;
use super::state::{State, Violation};
use super::{Setup, signer};

/// Until when a process sleeps, by the true time.
#[derive(Clone, Default)]
pub(crate) struct Sleep(pub(super) Rc<Cell<i64>>);

impl Sleep {
    pub(crate) async fn until(&self, shared: &Shared, time: i64) {
        self.0.set(time);
        shared.turn().await;
    }
}

pub(super) enum Kind {
    Rotator,
    Signer,
    Operator,
}

pub(super) struct Process {
    pub(super) kind: Kind,
    pub(super) sleep: Sleep,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// A world and the processes in it.
pub(crate) struct Sim {
    pub(crate) shared: Shared,
    pub(super) processes: Vec<Process>,
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

    pub(super) fn new_rotator(&mut self, sleep: Sleep) -> Process {
        self.rotators += 1;
        let rotator = Rotator::new(format!("R{}", self.rotators), self.shared.clone(), sleep.clone());
        Process { kind: Kind::Rotator, sleep, future: Box::pin(rotator.run()) }
    }

    pub(super) fn operator(&mut self, future: impl Future<Output = ()> + 'static) {
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

    pub(super) fn poll(&mut self, index: usize) {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = self.processes[index].future.as_mut().poll(&mut context) {
            self.processes.swap_remove(index);
        }
    }

    pub(super) fn awake(&self) -> Vec<usize> {
        let now = self.shared.with(|state| state.now);
        (0..self.processes.len()).filter(|index| self.processes[*index].sleep.0.get() <= now).collect()
    }

    pub(super) fn next_wake(&self) -> Option<i64> {
        self.processes.iter().map(|process| process.sleep.0.get()).min()
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.shared.with(|state| state.violation.clone())
    }

    /// What happened lately, for whoever reads of a failure.
    pub(crate) fn trace(&self) -> String {
        self.shared.with(|state| state.trace.iter().cloned().collect::<Vec<_>>().join("\n"))
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
}
