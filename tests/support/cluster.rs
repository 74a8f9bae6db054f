//! Several livekit-servers as one cluster, and the command that a rotator restarts them with.
//!
//! The servers belong to the test, so the command asks for a restart by a file
//! that is named after the operation, and waits for its end; what was done under
//! an operation is not done again. Restarts that were asked for at the same time
//! are done at the same time, so that a test sees when that happens.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::http;
use super::livekit::LiveKit;
use super::redis::Redis;

const COMMAND: &str = r#"#!/bin/sh
set -eu
order=$(dirname "$0")/$LIVEKIT_KEYD_OPERATION
if [ ! -e "$order.order" ]; then
  printf '%s' "$LIVEKIT_KEYD_NODE" > "$order.$$"
  mv "$order.$$" "$order.order"
fi
while [ ! -e "$order.done" ]; do sleep 0.05; done
"#;

/// Joined rooms hold a drain for as long as they last.
const GRACE: Duration = Duration::from_secs(5);

/// Nodes, and how they are restarted.
pub(crate) struct Cluster {
    folder: TempDir,
    urls: Vec<String>,
    nodes: Vec<Mutex<LiveKit>>,
    restarts: Vec<AtomicUsize>,
    down: AtomicUsize,
    most_down: AtomicUsize,
    _redis: Redis,
}

impl Cluster {
    /// So many nodes, with the keys that the file has by now.
    pub(crate) fn start(count: usize, key_file: &Path) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let command = folder.path().join("restart");
        fs::write(&command, COMMAND).expect("the command is written");
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("its mode");
        let redis = Redis::start();
        let nodes: Vec<_> = (0..count).map(|_| LiveKit::start_with(key_file, &redis.section())).collect();
        Cluster {
            folder,
            urls: nodes.iter().map(LiveKit::url).collect(),
            restarts: nodes.iter().map(|_| AtomicUsize::new(0)).collect(),
            nodes: nodes.into_iter().map(Mutex::new).collect(),
            down: AtomicUsize::new(0),
            most_down: AtomicUsize::new(0),
            _redis: redis,
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

    /// How often the command restarted each node.
    pub(crate) fn restarts(&self) -> Vec<usize> {
        self.restarts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// How many nodes the command had down at once, at most.
    pub(crate) fn most_down(&self) -> usize {
        self.most_down.load(Ordering::Relaxed)
    }

    pub(crate) fn node(&self, index: usize) -> MutexGuard<'_, LiveKit> {
        self.nodes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the command asked for until told to stop.
    pub(crate) fn serve(&self, stopped: impl Fn() -> bool) {
        let mut begun = BTreeSet::new();
        thread::scope(|scope| {
            while !stopped() {
                for entry in fs::read_dir(self.folder.path()).expect("the folder").flatten() {
                    let order = entry.path();
                    let is_order = order.extension().is_some_and(|extension| extension == "order");
                    if is_order && begun.insert(order.clone()) {
                        scope.spawn(move || self.restart(&order));
                    }
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
    }

    fn restart(&self, order: &Path) {
        let url = fs::read_to_string(order).expect("an order names a node");
        let index = self.urls.iter().position(|known| *known == url);
        let index = index.unwrap_or_else(|| panic!("{url} is no node of this cluster"));
        let down = self.down.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_down.fetch_max(down, Ordering::Relaxed);
        let mut node = self.node(index);
        node.stop_within(GRACE);
        node.start_again();
        self.down.fetch_sub(1, Ordering::Relaxed);
        self.restarts[index].fetch_add(1, Ordering::Relaxed);
        fs::write(order.with_extension("done"), "").expect("the order is done");
    }

    /// What a node makes of a token that may join; `None` while it is down.
    pub(crate) fn verdict(&self, index: usize, token: &str) -> Option<u16> {
        let bearer = format!("Bearer {token}");
        let request = http::request("GET", "/rtc/validate", &[("authorization", &bearer)], b"");
        let address = self.urls[index].trim_start_matches("http://");
        http::over_tcp(address, &request).ok().map(|answer| answer.status)
    }

    /// What every node makes of it.
    pub(crate) fn verdicts(&self, token: &str) -> Vec<Option<u16>> {
        (0..self.urls.len()).map(|node| self.verdict(node, token)).collect()
    }
}
