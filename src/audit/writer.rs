//! Who writes: as many events as have come, sealed into lines, in one write and at most one fsync.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_keyd_core::audit::{Action, Chain, Event, Outcome, Torn};

use super::queue::{Group, Queue};
use super::sink::{FileSink, Head, Opened, Sink, Synced};
use super::standing::Standing;
use crate::clock;

/// What a power cut may cost with [`Fsync::Interval`].
const FSYNC_EVERY: Duration = Duration::from_secs(1);
/// Buffers that a flood made larger are not kept, in bytes.
const LARGEST_KEPT: usize = 1 << 20;

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

pub(super) struct Writer {
    settings: Settings,
    standing: Arc<Standing>,
    sink: Option<Sink>,
    chain: Chain,
    /// An event that must come before all others.
    preface: Option<Vec<u8>>,
    group: Group,
    lines: Vec<u8>,
    /// When what was written is to be made last, if that is owed.
    sync_due: Option<Instant>,
}

impl Writer {
    /// Opens the sink.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn open(settings: Settings, standing: Arc<Standing>) -> Result<Writer, String> {
        let mut writer = Writer {
            settings,
            standing,
            sink: None,
            chain: Chain::default(),
            preface: None,
            group: Group::default(),
            lines: Vec::new(),
            sync_due: None,
        };
        writer.reopen(true)?;
        Ok(writer)
    }

    /// Whether a write ends at once, as into a file that is open it does: there is nothing to open, to rotate or to
    /// wait for.
    pub(super) fn is_quick(&self) -> bool {
        let is_file = self.sink.as_ref().is_some_and(|sink| sink.length().is_some());
        is_file && self.settings.fsync != Fsync::Always && !self.is_full()
    }

    /// Writes what waits, all or none, and tells who waits for it.
    pub(super) fn write_waiting(&mut self, queue: &Queue) {
        let mut group = std::mem::take(&mut self.group);
        if queue.take(&mut group) {
            queue.done(self.write(&group));
        }
        if group.events.capacity() <= LARGEST_KEPT {
            self.group = group;
        }
    }

    /// Writes the first line, which says that the trail goes on here.
    pub(super) fn begin(&mut self) {
        self.write(&Group::default());
    }

    /// The file was moved away: a new one is begun.
    pub(super) fn begin_anew(&mut self) {
        self.note_head();
        self.sink = None;
        self.begin();
    }

    fn write(&mut self, group: &Group) -> bool {
        let result = self.commit(&group.events);
        let is_written = result.is_ok();
        self.standing.committed(result, group.count, self.chain);
        if self.lines.capacity() > LARGEST_KEPT {
            self.lines = Vec::new();
        }
        is_written
    }

    fn commit(&mut self, events: &[u8]) -> Result<(), String> {
        if self.sink.is_none() {
            self.reopen(false)?;
        }
        let mut chain = self.chain;
        self.lines.clear();
        if let Some(event) = &self.preface {
            chain.seal(event, &mut self.lines);
        }
        let mut rest = events;
        while !rest.is_empty() {
            let event = rest;
            // Nothing can fail in a slice, and each event ends with its line break.
            let Ok(length) = rest.skip_until(b'\n') else { break };
            chain.seal(event[..length].trim_ascii_end(), &mut self.lines);
        }
        let Some(sink) = &mut self.sink else { return Err("the audit trail is not open".to_owned()) };
        let always = self.settings.fsync == Fsync::Always;
        let written =
            sink.write(&self.lines).and_then(|()| if always { sink.synced().now() } else { Ok(()) });
        if let Err(error) = written {
            // What is in the file now is found out when it is opened again.
            self.sink = None;
            return Err(format!(
                "the audit trail cannot be written: {error}; make room, or see to its file system"
            ));
        }
        (self.chain, self.preface) = (chain, None);
        if self.settings.fsync == Fsync::Interval {
            self.sync_due.get_or_insert_with(|| Instant::now() + FSYNC_EVERY);
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

    /// Whether the file is as long as it may get.
    pub(super) fn is_full(&self) -> bool {
        let Target::File { max_size: Some(max), .. } = &self.settings.target else { return false };
        self.sink.as_ref().and_then(Sink::length).is_some_and(|length| length >= *max)
    }

    /// Puts a full file away; the next line begins a new one.
    pub(super) fn rotate_if_full(&mut self) {
        let Some(sink) = self.sink.as_ref().filter(|_| self.is_full()) else { return };
        self.note_head();
        match sink.synced().now().and_then(|()| sink.put_away(self.chain.seq)) {
            Ok(()) => self.sink = None,
            Err(error) => tracing::warn!("the audit trail cannot be rotated and grows on: {error}"),
        }
    }

    /// When [`Writer::take_sync`] is due.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        self.sync_due
    }

    /// What is to be made last, after which it counts as done: the caller does it, and others write meanwhile.
    pub(super) fn take_sync(&mut self) -> Option<Synced> {
        self.sync_due.take()?;
        self.sink.as_ref().map(Sink::synced)
    }

    /// That failed.
    pub(super) fn sync_failed(&mut self, error: &std::io::Error) {
        self.sink = None;
        let sentence = format!("the audit trail cannot be synced to its disk: {error}");
        self.standing.committed(Err(sentence), 0, self.chain);
    }

    /// The last line.
    pub(super) fn chain(&self) -> Chain {
        self.chain
    }

    /// The same, to be noted beside the file.
    pub(super) fn head(&self) -> Option<Head> {
        self.sink.as_ref().and_then(|sink| sink.head(self.chain))
    }

    fn note_head(&self) {
        if let Some(head) = self.head() {
            head.note();
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
