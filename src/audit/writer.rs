//! The one thread that writes: as many events as have come, in one write and at most one fsync.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use livekit_keyd_core::audit::{Action, Chain, Event, Outcome, Torn};
use tokio::sync::oneshot;

use super::sink::{FileSink, Opened, Sink};
use super::trail::Shared;
use crate::clock;

/// As many bytes of events as one write takes.
const LARGEST_GROUP: usize = 1 << 20;
/// How often the head is logged and noted, if it has moved.
const HEAD_EVERY: Duration = Duration::from_secs(60);
/// What a power cut may cost with [`Fsync::Interval`].
const FSYNC_EVERY: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// At which length in bytes it gets another name and a new one is begun; `None` for never.
        max_size: Option<u64>,
    },
    /// Standard output.
    Stdout,
}

/// When lines are made last a power cut. A killed process loses none in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before anybody is told that they are written.
    Always,
    /// Once a second.
    Interval,
    /// When the operating system does.
    Never,
}

/// What the writer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where lines go.
    pub target: Target,
    /// When they are made to last.
    pub fsync: Fsync,
}

/// Events that are written together or not at all.
pub(super) struct Batch {
    /// Each a JSON object that ends with a line break.
    pub(super) events: Vec<u8>,
    /// How many.
    pub(super) count: u64,
    /// Whom to tell whether they were written.
    pub(super) done: Option<oneshot::Sender<bool>>,
}

/// What comes through the queue.
pub(super) enum Job {
    /// To write events.
    Write(Batch),
    /// The file was moved away: begin a new one.
    Reopen,
    /// Nothing more will come.
    End { done: oneshot::Sender<()> },
}

pub(super) struct Writer {
    settings: Settings,
    shared: Arc<Shared>,
    sink: Option<Sink>,
    chain: Chain,
    /// An event that must come before all others.
    preface: Option<Vec<u8>>,
    lines: Vec<u8>,
    noted: u64,
    head_due: Instant,
    unsynced: bool,
    sync_due: Instant,
}

impl Writer {
    /// Opens the sink.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn open(settings: Settings, shared: Arc<Shared>) -> Result<Writer, String> {
        let now = Instant::now();
        let mut writer = Writer {
            settings,
            shared,
            sink: None,
            chain: Chain::default(),
            preface: None,
            lines: Vec::new(),
            noted: 0,
            head_due: now + HEAD_EVERY,
            unsynced: false,
            sync_due: now,
        };
        writer.reopen(true)?;
        Ok(writer)
    }

    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        // The first line says that the trail goes on here.
        self.write(Vec::new());
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => Ok(job),
                None => queue.recv_timeout(self.until_due()),
            };
            match job {
                Ok(Job::Write(first)) => {
                    let mut bytes = first.events.len();
                    let mut group = vec![first];
                    while bytes < LARGEST_GROUP {
                        match queue.try_recv() {
                            Ok(Job::Write(batch)) => {
                                bytes += batch.events.len();
                                group.push(batch);
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(group);
                }
                Ok(Job::Reopen) => {
                    self.note_head();
                    self.sink = None;
                    self.write(Vec::new());
                }
                Ok(Job::End { done }) => {
                    self.sync();
                    self.note_head();
                    // Whoever asked may have given up.
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.keep_up();
        }
    }

    fn until_due(&self) -> Duration {
        let due = if self.unsynced { self.sync_due.min(self.head_due) } else { self.head_due };
        due.saturating_duration_since(Instant::now())
    }

    fn keep_up(&mut self) {
        let now = Instant::now();
        if self.unsynced && now >= self.sync_due {
            self.sync();
        }
        if now >= self.head_due {
            self.head_due = now + HEAD_EVERY;
            if self.noted != self.chain.seq {
                tracing::info!(seq = self.chain.seq, hash = %self.chain.hash, "the head of the audit trail");
                self.note_head();
            }
        }
    }

    /// Writes all or none, and tells who waits.
    fn write(&mut self, group: Vec<Batch>) {
        let result = self.commit(&group);
        let count = group.iter().map(|batch| batch.count).sum();
        self.shared.committed(result, count, self.chain);
        let ok = self.shared.is_well();
        for done in group.into_iter().filter_map(|batch| batch.done) {
            // Whoever asked may have given up waiting.
            let _ = done.send(ok);
        }
        if ok {
            self.rotate_if_full();
        }
    }

    fn commit(&mut self, group: &[Batch]) -> Result<(), String> {
        if self.sink.is_none() {
            self.reopen(false)?;
        }
        let mut chain = self.chain;
        self.lines.clear();
        if let Some(event) = &self.preface {
            chain.seal(event, &mut self.lines);
        }
        for event in group.iter().flat_map(|batch| batch.events.split(|byte| *byte == b'\n')) {
            if !event.is_empty() {
                chain.seal(event, &mut self.lines);
            }
        }
        let Some(sink) = &mut self.sink else { return Err("the audit trail is not open".to_owned()) };
        let always = self.settings.fsync == Fsync::Always;
        let written = sink.write(&self.lines).and_then(|()| if always { sink.sync() } else { Ok(()) });
        if let Err(error) = written {
            // What is in the file now is found out when it is opened again.
            self.sink = None;
            return Err(format!(
                "the audit trail cannot be written: {error}; make room, or see to its file system"
            ));
        }
        (self.chain, self.preface) = (chain, None);
        if self.settings.fsync == Fsync::Interval && !self.unsynced {
            (self.unsynced, self.sync_due) = (true, Instant::now() + FSYNC_EVERY);
        }
        Ok(())
    }

    fn reopen(&mut self, started: bool) -> Result<(), String> {
        let opened = match &self.settings.target {
            Target::Stdout => Opened { sink: Sink::Stdout, chain: self.chain, torn: None },
            Target::File { path, .. } => FileSink::open(path)?,
        };
        // A file that was moved away, or is a pipe, knows less than this process.
        if opened.chain.seq >= self.chain.seq {
            self.chain = opened.chain;
        }
        if started || opened.torn.is_some() {
            self.preface = Some(resumes(opened.torn));
        }
        self.sink = Some(opened.sink);
        Ok(())
    }

    fn rotate_if_full(&mut self) {
        let Target::File { max_size: Some(max), .. } = &self.settings.target else { return };
        let Some(sink) = self.sink.as_ref().filter(|sink| sink.length().is_some_and(|length| length >= *max))
        else {
            return;
        };
        sink.note_head(self.chain);
        match sink.sync().and_then(|()| sink.put_away(self.chain.seq)) {
            Ok(()) => self.sink = None,
            Err(error) => tracing::warn!("the audit trail cannot be rotated and grows on: {error}"),
        }
    }

    fn sync(&mut self) {
        self.unsynced = false;
        if let Some(Err(error)) = self.sink.as_ref().map(Sink::sync) {
            self.sink = None;
            self.shared.committed(
                Err(format!("the audit trail cannot be synced to its disk: {error}")),
                0,
                self.chain,
            );
        }
    }

    fn note_head(&mut self) {
        self.noted = self.chain.seq;
        if let Some(sink) = &self.sink {
            sink.note_head(self.chain);
        }
    }
}

/// The event that begins a process's part of the trail, and answers for what a crash tore.
fn resumes(torn: Option<Torn>) -> Vec<u8> {
    let event = Event {
        message: Some(concat!("livekit-keyd ", env!("CARGO_PKG_VERSION"))),
        pid: i32::try_from(std::process::id()).ok(),
        torn_bytes: torn.map(|torn| torn.bytes),
        torn_hash: torn.map(|torn| torn.hash),
        ..Event::new(clock::now(), Action::TrailResume, Outcome::Success)
    };
    let mut out = Vec::new();
    event.write(&mut out);
    out
}
