//! Several livekit-servers that read one key file, and the command that a rotator restarts them with.
//!
//! The servers belong to the test, so the command asks for a restart by a file
//! that is named after the operation, and waits for its end; what was done under
//! an operation is not done again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::http;
use super::livekit::LiveKit;

const COMMAND: &str = r#"#!/bin/sh
set -eu
order=$(dirname "$0")/$LIVEKIT_KEYD_OPERATION
if [ ! -e "$order.order" ]; then
  printf '%s' "$LIVEKIT_KEYD_NODE" > "$order.$$"
  mv "$order.$$" "$order.order"
fi
while [ ! -e "$order.done" ]; do sleep 0.05; done
"#;

/// Nodes, and how they are restarted.
pub(crate) struct Cluster {
    folder: TempDir,
    urls: Vec<String>,
    nodes: Vec<Mutex<LiveKit>>,
    restarts: AtomicUsize,
}

impl Cluster {
    /// So many nodes, with the keys that the file has by now.
    pub(crate) fn start(count: usize, key_file: &Path) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let command = folder.path().join("restart");
        fs::write(&command, COMMAND).expect("the command is written");
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("its mode");
        let nodes: Vec<_> = (0..count).map(|_| LiveKit::start(key_file)).collect();
        let urls = nodes.iter().map(LiveKit::url).collect();
        Cluster {
            folder,
            urls,
            nodes: nodes.into_iter().map(Mutex::new).collect(),
            restarts: AtomicUsize::new(0),
        }
    }

    /// What `restart` in a configuration is to be.
    pub(crate) fn command(&self) -> PathBuf {
        self.folder.path().join("restart")
    }

    /// The nodes' addresses, as `nodes` in a configuration.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// How often the command restarted a node.
    pub(crate) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn node(&self, index: usize) -> MutexGuard<'_, LiveKit> {
        self.nodes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the command asked for, one by one, until told to stop.
    pub(crate) fn serve(&self, stopped: impl Fn() -> bool) {
        while !stopped() {
            for entry in fs::read_dir(self.folder.path()).expect("the folder").flatten() {
                let order = entry.path();
                if order.extension().is_some_and(|extension| extension == "order") {
                    self.restart(&order);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn restart(&self, order: &Path) {
        let done = order.with_extension("done");
        if done.exists() {
            return;
        }
        let url = fs::read_to_string(order).expect("an order names a node");
        let index = self.urls.iter().position(|known| *known == url);
        let index = index.unwrap_or_else(|| panic!("{url} is no node of this cluster"));
        self.node(index).restart();
        self.restarts.fetch_add(1, Ordering::Relaxed);
        fs::write(done, "").expect("the order is done");
    }

    /// What a node makes of a token that may join; `None` while it is down.
    pub(crate) fn verdict(&self, index: usize, token: &str) -> Option<u16> {
        let bearer = format!("Bearer {token}");
        let request = http::request("GET", "/rtc/validate", &[("authorization", &bearer)], b"");
        let address = self.urls[index].trim_start_matches("http://");
        http::over_tcp(address, &request).ok().map(|answer| answer.status)
    }
}
