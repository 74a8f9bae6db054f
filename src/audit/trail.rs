//! The trail as the rest of the process sees it: events go in, and whether they are written comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use livekit_keyd_core::audit::{Chain, Event};
use prometheus::Registry;
use tokio::sync::oneshot;

use super::metrics::AuditMetrics;
use super::tally::Tally;
use super::writer::{Batch, Job, Settings, Writer};
use crate::conditions::{Conditions, Finding};

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

/// Where the trail is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct TrailStatus {
    /// The number of the last line.
    pub seq: u64,
    /// Its hash: `livekit-keyd audit verify --head` takes it.
    pub head: String,
    /// Why events cannot be written now, if they cannot.
    pub failing: Option<String>,
}

/// What the writing thread and those who wait for it share.
pub(super) struct Shared {
    metrics: AuditMetrics,
    conditions: Arc<Conditions>,
    head: Mutex<Chain>,
    trouble: Mutex<Option<String>>,
    well: AtomicBool,
    /// Somebody waited for the writer longer than the limit, and it has not come back since.
    stuck: AtomicBool,
}

/// The way to the writing thread.
pub struct Trail {
    queue: SyncSender<Job>,
    shared: Arc<Shared>,
    on_failure: OnFailure,
    timeout: Duration,
}

impl Trail {
    /// Opens the sink and starts to write; `queue` events may wait, and a request waits for `timeout`.
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
        let shared = Arc::new(Shared {
            metrics: AuditMetrics::register(registry).map_err(|error| error.to_string())?,
            conditions,
            head: Mutex::default(),
            trouble: Mutex::default(),
            well: AtomicBool::new(true),
            stuck: AtomicBool::new(false),
        });
        let writer = Writer::open(settings, Arc::clone(&shared))?;
        let (sender, receiver) = sync_channel(queue);
        let thread = thread::Builder::new().name("audit".to_owned());
        thread.spawn(move || writer.run(&receiver)).map_err(|error| error.to_string())?;
        Ok(Arc::new(Trail { queue: sender, shared, on_failure, timeout }))
    }

    /// Hands over events with tokens, each a JSON object that ends with a line break. The receipt says whether they
    /// were written.
    pub(super) fn hand_over(self: &Arc<Self>, events: Vec<u8>, count: u64, tally: Tally) -> Receipt {
        let (done, written) = oneshot::channel();
        let queued = self.send(events, count, Some(done));
        Receipt { trail: Arc::clone(self), written: queued.then_some(written), tally }
    }

    /// Hands over an event for which nobody waits.
    pub fn note(&self, event: &Event<'_>) {
        let mut line = Vec::with_capacity(512);
        event.write(&mut line);
        line.push(b'\n');
        self.send(line, 1, None);
    }

    /// Hands over what nobody waits for.
    pub(super) fn send(&self, events: Vec<u8>, count: u64, done: Option<oneshot::Sender<bool>>) -> bool {
        match self.queue.try_send(Job::Write(Batch { events, count, done })) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.metrics.overflowed.inc_by(count);
                self.shared.trouble("the audit trail's queue is full: its sink does not keep up");
                false
            }
        }
    }

    /// The file was moved away: the next event begins a new one.
    pub fn reopen(&self) {
        // A full queue is written to the file that it was meant for, and the next hang-up comes.
        let _ = self.queue.try_send(Job::Reopen);
    }

    /// Waits until everything that was handed over is written, though not for ever.
    pub async fn end(&self) {
        let (done, ended) = oneshot::channel();
        let sent = self.queue.try_send(Job::End { done }).is_ok();
        if !sent || tokio::time::timeout(FAREWELL, ended).await.is_err() {
            tracing::error!("the audit trail's sink does not take the last events: they are lost");
        }
    }

    /// Where it is.
    pub fn status(&self) -> TrailStatus {
        let head = *self.shared.head.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TrailStatus { seq: head.seq, head: head.hash.to_string(), failing }
    }
}

/// Events that were handed over.
#[must_use = "an answer waits for it"]
pub struct Receipt {
    trail: Arc<Trail>,
    written: Option<oneshot::Receiver<bool>>,
    tally: Tally,
}

impl Receipt {
    /// Whether the answer may be given: the events are written, or need not be. Counts its tokens accordingly.
    pub async fn lets_pass(self) -> bool {
        let Receipt { trail, written, tally } = self;
        let is_written = match written {
            Some(written) => trail.wait(written).await,
            None => false,
        };
        let lets_pass = is_written || trail.on_failure == OnFailure::Drop;
        if lets_pass {
            tally.given_out()
        } else {
            tally.withheld()
        }
        lets_pass
    }
}

impl Trail {
    async fn wait(&self, mut written: oneshot::Receiver<bool>) -> bool {
        // While the writer hangs nobody else waits for it.
        if self.shared.stuck.load(Ordering::Relaxed) {
            return written.try_recv() == Ok(true);
        }
        match tokio::time::timeout(self.timeout, written).await {
            Ok(written) => written == Ok(true),
            Err(_) => {
                self.shared.metrics.late.inc();
                self.shared.stuck.store(true, Ordering::Relaxed);
                self.shared.trouble("the audit trail's sink hangs: nothing was written for longer than the timeout of [audit]");
                false
            }
        }
    }
}

impl Shared {
    /// The writer is back from its sink.
    pub(super) fn committed(&self, result: Result<(), String>, count: u64, chain: Chain) {
        self.stuck.store(false, Ordering::Relaxed);
        self.well.store(result.is_ok(), Ordering::Relaxed);
        match result {
            Ok(()) => {
                self.metrics.written.inc_by(count);
                *self.head.lock().unwrap_or_else(PoisonError::into_inner) = chain;
                let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                if trouble.take().is_some() {
                    self.conditions.replace("audit", Vec::new());
                }
            }
            Err(sentence) => {
                self.metrics.failed.inc_by(count);
                self.trouble(&sentence);
            }
        }
    }

    pub(super) fn is_well(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    fn trouble(&self, sentence: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_deref() == Some(sentence) {
            return;
        }
        *trouble = Some(sentence.to_owned());
        let finding = Finding {
            keyset: None,
            kind: "AuditFailing",
            degraded: true,
            reason: "sink".to_owned(),
            message: sentence.to_owned(),
        };
        self.conditions.replace("audit", vec![finding]);
    }
}
