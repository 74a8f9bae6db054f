//! The trail as the rest of the process sees it: events go in, and whether they are written comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use livekit_keyd_core::audit::Event;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::queue::{Place, Queue};
use super::standing::{Standing, TrailStatus, Wrong};
use super::tally::Tally;
use super::thread::{Order, Thread};
use super::writer::{Settings, Writer};
use crate::conditions::Conditions;

/// How long a stop waits for the last events.
const FAREWELL: Duration = Duration::from_secs(5);

/// What becomes of a token whose event cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is not handed out.
    Refuse,
    /// It is handed out, and the event is lost and counted.
    Drop,
}

/// The way into the trail.
pub struct Trail {
    pub(super) queue: Arc<Queue>,
    pub(super) writer: Arc<Mutex<Writer>>,
    orders: Sender<Order>,
    pub(super) standing: Arc<Standing>,
    on_failure: OnFailure,
    pub(super) timeout: Duration,
    /// The threads that write what they hand over themselves.
    pub(super) writing: OnceLock<Handle>,
    pub(super) came: Notify,
    /// Somebody looks whether anybody waits for too long.
    pub(super) watched: AtomicBool,
    pub(super) watch: Notify,
}

impl Trail {
    /// Opens the sink and starts to write; `queue` handovers may wait, and a request waits for `timeout`.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(
        settings: Settings,
        on_failure: OnFailure,
        queue: usize,
        timeout: Duration,
        registry: &Registry,
        conditions: Arc<Conditions>,
    ) -> Result<Arc<Trail>, String> {
        let standing = Standing::register(registry, conditions).map_err(|error| error.to_string())?;
        let standing = Arc::new(standing);
        let writer = Arc::new(Mutex::new(Writer::open(settings, Arc::clone(&standing))?));
        let queue = Arc::new(Queue::new(queue));
        let (orders, given) = channel();
        let behind = Thread { writer: Arc::clone(&writer), queue: Arc::clone(&queue) };
        let thread = thread::Builder::new().name("audit".to_owned());
        thread.spawn(move || behind.run(&given)).map_err(|error| error.to_string())?;
        let trail = Arc::new(Trail {
            queue,
            writer,
            orders,
            standing,
            on_failure,
            timeout,
            writing: OnceLock::new(),
            came: Notify::new(),
            watched: AtomicBool::new(false),
            watch: Notify::new(),
        });
        tokio::spawn(Arc::clone(&trail).let_nobody_wait_for_long());
        Ok(trail)
    }

    /// Hands over events with tokens, each a JSON object that ends with a line break. The receipt says whether they
    /// were written.
    pub(super) fn hand_over(&self, events: &[u8], count: u64, tally: Tally) -> Receipt {
        let (waiter, written) = oneshot::channel();
        self.push(events, count, Some(waiter));
        Receipt { on_failure: self.on_failure, written, tally }
    }

    /// Hands over an event for which nobody waits.
    pub fn note(&self, event: &Event<'_>) {
        let mut line = Vec::with_capacity(512);
        event.write(&mut line);
        line.push(b'\n');
        self.push(&line, 1, None);
    }

    /// Hands over events, for which somebody may wait.
    pub(super) fn push(&self, events: &[u8], count: u64, waiter: Option<oneshot::Sender<bool>>) {
        match (self.queue.push(events, count, waiter), self.writing.get()) {
            (Place::First, Some(_)) => self.came.notify_one(),
            (Place::First, None) => self.order(Order::Look),
            (Place::Behind, _) => {}
            (Place::Nowhere, _) => {
                self.standing.metrics.overflowed.inc_by(count);
                self.standing
                    .trouble(Wrong::Late, "the audit trail's queue is full: its sink does not keep up");
            }
        }
        if !self.watched.load(Ordering::Relaxed) && !self.watched.swap(true, Ordering::AcqRel) {
            self.watch.notify_one();
        }
    }

    pub(super) fn order(&self, order: Order) {
        // The thread ends when it is told to, and then nothing is left to do.
        let _ = self.orders.send(order);
    }

    /// The file was moved away: the next event begins a new one.
    pub fn reopen(&self) {
        self.order(Order::Reopen);
    }

    /// Waits until everything that was handed over is written, though not for ever.
    pub async fn end(&self) {
        let (done, ended) = oneshot::channel();
        self.order(Order::End(done));
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            tracing::error!("the audit trail's sink does not take the last events: they are lost");
        }
    }

    /// Where it is.
    pub fn status(&self) -> TrailStatus {
        self.standing.status()
    }
}

/// Events that were handed over.
#[must_use = "an answer waits for it"]
pub struct Receipt {
    on_failure: OnFailure,
    written: oneshot::Receiver<bool>,
    tally: Tally,
}

impl Receipt {
    /// Whether the answer may be given: the events are written, or need not be. Counts its tokens accordingly.
    pub async fn lets_pass(self) -> bool {
        let Receipt { on_failure, written, tally } = self;
        let lets_pass = written.await == Ok(true) || on_failure == OnFailure::Drop;
        if lets_pass {
            tally.given_out()
        } else {
            tally.withheld()
        }
        lets_pass
    }
}
