//! `[audit]`: where decisions are written down, and what happens when they cannot be.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use toml::de::DeValue;

use super::reader::{Reader, Reported};
use super::setting::{Setting, one_of};
use crate::audit::{Fsync, OnFailure, Settings, Target, Trail};
use crate::conditions::Conditions;

/// The most events that may wait.
const LONGEST_QUEUE: u64 = 1 << 20;
/// The longest that a request may wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Smaller files would be begun with nearly every write.
const SMALLEST_FILE: u64 = 64 * 1024;

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// How it is written.
    pub settings: Settings,
    /// What becomes of a token whose event cannot be written.
    pub on_failure: OnFailure,
    /// How many handovers of events may wait.
    pub queue: usize,
    /// How long a request waits.
    pub timeout: Duration,
}

impl AuditConfig {
    /// Opens the trail.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(&self, registry: &Registry, conditions: &Arc<Conditions>) -> Result<Arc<Trail>, String> {
        let AuditConfig { settings, on_failure, queue, timeout } = self.clone();
        Trail::start(settings, on_failure, queue, timeout, registry, Arc::clone(conditions))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Stdout,
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<Option<AuditConfig>, Reported> {
    let wanted = root.has("audit");
    let mut section = root.table("audit")?;
    if !wanted {
        section.finish();
        return Ok(None);
    }
    let context = section.context;
    let kind = section.required("sink", "write \"file\" or \"stdout\"");
    let path = section.optional::<PathBuf>("path");
    let max_size = section.optional::<u64>("max_size");
    let on_failure = section.or("on_failure", OnFailure::Refuse);
    let queue = section.or("queue", 8192_u64);
    let timeout = section.or("timeout", Duration::from_secs(1));
    let fsync = section.or("fsync", Fsync::Interval);
    let no_path = section.spot_of("path");
    section.finish();

    let (kind, path, max_size) = (kind?.value, path?, max_size?);
    if let Some(size) = max_size.as_ref().filter(|size| size.value < SMALLEST_FILE) {
        let sentence = format!("must be at least {SMALLEST_FILE} bytes; this is {}", size.value);
        return Err(context.report(&size.spot, sentence));
    }
    let target = match (kind, path) {
        (Kind::File, Some(path)) => {
            Target::File { path: context.resolve(&path.value), max_size: max_size.map(|size| size.value) }
        }
        (Kind::File, None) => {
            let sentence =
                "is missing: write where the trail goes, like path = \"/var/log/livekit-keyd/audit.jsonl\"";
            return Err(context.report(&no_path, sentence));
        }
        (Kind::Stdout, Some(path)) => {
            return Err(context.report(&path.spot, "is for sink = \"file\": take it out, or change the sink"));
        }
        (Kind::Stdout, None) => Target::Stdout,
    };
    let (queue, timeout) = (queue?, timeout?);
    if !(1..=LONGEST_QUEUE).contains(&queue.value) {
        let sentence = format!("must be from 1 to {LONGEST_QUEUE}; this is {}", queue.value);
        return Err(context.report(&queue.spot, sentence));
    }
    if timeout.value.is_zero() || timeout.value > LONGEST_WAIT {
        return Err(context.report(&timeout.spot, "must be more than nothing and at most \"60s\""));
    }
    Ok(Some(AuditConfig {
        settings: Settings { target, fsync: fsync?.value },
        on_failure: on_failure?.value,
        queue: usize::try_from(queue.value).unwrap_or(usize::MAX),
        timeout: timeout.value,
    }))
}

impl Setting for Kind {
    fn read(value: &DeValue<'_>) -> Result<Kind, String> {
        one_of(value, &[("file", Kind::File), ("stdout", Kind::Stdout)])
    }

    fn show(&self) -> String {
        match self {
            Kind::File => "\"file\"",
            Kind::Stdout => "\"stdout\"",
        }
        .to_owned()
    }
}

impl Setting for OnFailure {
    fn read(value: &DeValue<'_>) -> Result<OnFailure, String> {
        one_of(value, &[("refuse", OnFailure::Refuse), ("drop", OnFailure::Drop)])
    }

    fn show(&self) -> String {
        match self {
            OnFailure::Refuse => "\"refuse\"",
            OnFailure::Drop => "\"drop\"",
        }
        .to_owned()
    }
}

impl Setting for Fsync {
    fn read(value: &DeValue<'_>) -> Result<Fsync, String> {
        one_of(value, &[("always", Fsync::Always), ("interval", Fsync::Interval), ("never", Fsync::Never)])
    }

    fn show(&self) -> String {
        match self {
            Fsync::Always => "\"always\"",
            Fsync::Interval => "\"interval\"",
            Fsync::Never => "\"never\"",
        }
        .to_owned()
    }
}
