//! The nodes of a rotator that asks them: what they need, and whom their news concern.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::{Notify, watch};

use super::{CannotStart, because};
use crate::config::{Config, FleetConfig};
use crate::fleet::{FleetMetrics, Watcher};
use crate::random;
use crate::rotator::{Deployment, Rotator};

/// How long news are collected before the rotator looks: many nodes have some at the same time.
const NEWS: Duration = Duration::from_millis(50);

/// The nodes, whom nobody asks yet.
pub(super) fn deployment(
    config: &Config,
    fleet: &FleetConfig,
    registry: &Registry,
) -> Result<Deployment, CannotStart> {
    let metrics = FleetMetrics::register(registry).map_err(because)?;
    let watcher = Watcher::new(fleet.settings.clone(), metrics)
        .map_err(|error| because(format!("LiveKit's nodes cannot be asked: {error}")))?;
    Ok(Deployment {
        path: config.livekit.path.clone(),
        watcher: Arc::new(watcher),
        min_nodes: fleet.min_nodes,
        fresh_for: fleet.settings.fresh_for(),
        node_restart_timeout: fleet.node_restart_timeout,
        // No two processes are the same, and people should know which one it is.
        me: format!("{}-{}", rustix::system::uname().nodename().to_string_lossy(), random::nonce()),
        orders: Arc::default(),
    })
}

/// Asks the nodes, and has the rotator look whenever one of them says something new.
pub(super) async fn watch(watcher: Arc<Watcher>, rotator: Arc<Rotator>, stop: watch::Receiver<bool>) {
    let changed = Arc::new(Notify::new());
    let poke = async {
        loop {
            changed.notified().await;
            tokio::time::sleep(NEWS).await;
            rotator.poke();
        }
    };
    tokio::select! {
        () = watcher.run(Arc::clone(&changed), stop) => {}
        () = poke => {}
    }
}
