//! The world as processes share it: one event at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::state::State;
use super::write::{InFlight, Outcome, Write};

/// The world.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Rc<RefCell<State>>);

impl Shared {
    /// Looks at the world or changes it, in no time.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.borrow_mut())
    }

    /// Lets others act first, and time pass.
    pub(crate) async fn turn(&self) {
        let mut waited = false;
        std::future::poll_fn(move |_| {
            if waited {
                return std::task::Poll::Ready(());
            }
            waited = true;
            std::task::Poll::Pending
        })
        .await;
    }

    pub(crate) fn read_fails(&self) -> bool {
        self.with(|state| state.faults && state.random.chance(20))
    }

    /// Writes something, or so it hopes.
    pub(crate) async fn write(&self, write: Write) -> Outcome {
        self.turn().await;
        let fate = self.with(|state| if state.faults { state.random.below(100) } else { 99 });
        match fate {
            0..2 => Outcome::Unknown,
            2..5 => {
                self.with(|state| state.land(write));
                Outcome::Unknown
            }
            5..8 => {
                self.with(|state| state.in_flight.push(InFlight { write, answer: None }));
                Outcome::Unknown
            }
            8..25 => {
                let answer = Rc::new(Cell::new(None));
                let sent = InFlight { write, answer: Some(Rc::clone(&answer)) };
                self.with(|state| state.in_flight.push(sent));
                loop {
                    self.turn().await;
                    if let Some(outcome) = answer.get() {
                        return outcome;
                    }
                }
            }
            _ => self.with(|state| state.land(write)),
        }
    }
}
