//! Nodes are asked which keys they know: real livekit-servers, and what a configuration may lead to instead of one.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

#[path = "../support/mod.rs"]
mod support;

mod daemon;
mod fake;
mod livekit;
mod log;
mod names;
mod strangers;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd::fleet::{FleetMetrics, FleetSettings, Watcher};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Node, Verdict};
use livekit_keyd_core::secret::Secret;
use prometheus::{Registry, TextEncoder};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use crate::log::listen_to_our_log;
use crate::support::eventually::{PATIENCE, value};

/// Short enough to wait for, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A watcher that runs, until it is dropped.
struct Watched {
    watcher: Arc<Watcher>,
    registry: Registry,
    changed: Arc<Notify>,
    runtime: tokio::runtime::Runtime,
    _stop: watch::Sender<bool>,
}

impl Watched {
    fn start(nodes: &[&str]) -> Watched {
        Watched::with_timeout(nodes, TIMEOUT)
    }

    fn with_timeout(nodes: &[&str], probe_timeout: Duration) -> Watched {
        listen_to_our_log();
        let nodes = nodes.iter().map(|node| node.parse().expect("a node")).collect();
        let settings = FleetSettings { nodes, probe_interval: Duration::from_millis(200), probe_timeout };
        let registry = Registry::new();
        let metrics = FleetMetrics::register(&registry).expect("names are free");
        let watcher = Arc::new(Watcher::new(settings, metrics).expect("a watcher"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (stop, stopping) = watch::channel(false);
        let changed = Arc::new(Notify::new());
        runtime.spawn(Arc::clone(&watcher).run(Arc::clone(&changed), stopping));
        Watched { watcher, registry, changed, runtime, _stop: stop }
    }

    fn ask_about(&self, keys: &[(&str, Option<&str>)]) {
        let key = |(id, secret): &(&str, Option<&str>)| {
            (KeyId::new(*id), secret.map(|secret| Secret::new(secret.to_owned())))
        };
        self.watcher.ask_about(keys.iter().map(key).collect());
    }

    fn nodes(&self) -> BTreeMap<String, Node> {
        self.watcher.seen().0
    }

    fn node(&self, address: &str) -> Node {
        self.nodes().remove(address).unwrap_or_else(|| panic!("no {address} in {:?}", self.nodes()))
    }

    /// Waits until a node says just that of the keys, and is believed.
    fn wait_for(&self, address: &str, verdicts: &[(&str, Verdict)]) -> Node {
        let wanted: Vec<_> = verdicts.iter().map(|(id, verdict)| (KeyId::new(*id), *verdict)).collect();
        value(PATIENCE, &format!("{address} says {verdicts:?}"), || {
            let node = self.node(address);
            let said: Vec<_> = node.answers.iter().map(|(id, answer)| (id.clone(), answer.verdict)).collect();
            (node.trouble.is_none() && said == wanted).then_some(node)
        })
    }

    /// Waits until a node is in trouble of which the sentence has this part.
    fn wait_for_trouble(&self, address: &str, part: &str) -> Node {
        value(PATIENCE, &format!("{address}: {part}"), || {
            Some(self.node(address)).filter(|node| node.trouble.as_ref().is_some_and(|t| t.contains(part)))
        })
    }

    fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("metrics are text")
    }

    /// Whether `changed` was rung since it was last asked for.
    fn rang(&self) -> bool {
        let rung = async { tokio::time::timeout(PATIENCE, self.changed.notified()).await.is_ok() };
        self.runtime.block_on(rung)
    }
}

fn key_file(folder: &TempDir, keys: &[(&str, &str)]) -> PathBuf {
    let path = folder.path().join("keys.yaml");
    write_keys(&path, keys);
    path
}

fn write_keys(path: &Path, keys: &[(&str, &str)]) {
    let text: String = keys.iter().map(|(id, secret)| format!("{id}: \"{secret}\"\n")).collect();
    fs::write(path, text).expect("the key file is written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode is set");
}

const ONE: &str = "one-secret-one-secret-one-secret-one-secret";

const TWO: &str = "two-secret-two-secret-two-secret-two-secret";
