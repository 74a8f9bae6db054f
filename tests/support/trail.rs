//! A daemon's audit trail in `{dir}/audit.jsonl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::daemon::Daemon;
use super::eventually::{PATIENCE, eventually};

/// Its file.
pub(crate) fn file(daemon: &Daemon) -> PathBuf {
    daemon.folder().join("audit.jsonl")
}

/// The whole lines of a file.
pub(crate) fn events_in(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The events of one action, once there are as many as that.
pub(crate) fn events_of(daemon: &Daemon, action: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually(PATIENCE, &format!("{count} events are {action}"), || {
        found = events_in(&file(daemon));
        found.retain(|event| event["event.action"] == action);
        found.len() >= count
    });
    found
}

/// The event of a request that was given this id, once it is there.
pub(crate) fn event_of_request(daemon: &Daemon, action: &str, id: &str) -> Value {
    let mut found = None;
    eventually(PATIENCE, &format!("request {id} is {action}"), || {
        let mut events = events_in(&file(daemon)).into_iter();
        found = events.find(|event| event["http.request.id"] == id && event["event.action"] == action);
        found.is_some()
    });
    found.unwrap_or_default()
}

/// What `audit verify` says of these files, and whether they are whole.
pub(crate) fn verify(arguments: &[&str], files: &[&Path]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_livekit-keyd"));
    command.args(["audit", "verify"]).args(arguments).args(files);
    let verified = command.output().expect("the command runs");
    (verified.status.success(), String::from_utf8_lossy(&verified.stdout).into_owned())
}
