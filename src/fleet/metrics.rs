//! What Prometheus is told of the nodes. What is not known has no series.

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Verdict;
use prometheus::{Gauge, IntCounterVec, IntGaugeVec, Opts, Registry};
use std::collections::BTreeMap;
use std::time::Duration;

/// Handles of the fleet's metrics.
#[derive(Clone)]
pub struct FleetMetrics {
    accepted: IntGaugeVec,
    nodes: IntGaugeVec,
    probes: IntCounterVec,
    skew: Gauge,
}

/// The states of a node.
const STATES: [&str; 3] = ["answering", "silent", "odd"];

impl FleetMetrics {
    /// Registered for scraping.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<FleetMetrics> {
        let options = |name: &str, help: &str| Opts::new(format!("livekit_keyd_{name}"), help);
        let metrics = FleetMetrics {
            accepted: IntGaugeVec::new(
                options(
                    "node_key_accepted",
                    "1 for a key whose tokens a LiveKit node takes, 0 for one whose it does not.",
                ),
                &["node", "key_id"],
            )?,
            nodes: IntGaugeVec::new(
                options("nodes", "LiveKit nodes: those that answer, those that do not, and what is no node."),
                &["state"],
            )?,
            probes: IntCounterVec::new(
                options("node_probes_total", "Questions to LiveKit nodes by what came of them."),
                &["result"],
            )?,
            skew: Gauge::with_opts(options(
                "clock_skew_seconds",
                "By how much the clock of a LiveKit node differs from this process's at least: the largest.",
            ))?,
        };
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.nodes.clone()))?;
        registry.register(Box::new(metrics.probes.clone()))?;
        registry.register(Box::new(metrics.skew.clone()))?;
        Ok(metrics)
    }

    pub(super) fn probed(&self, result: &str) {
        self.probes.with_label_values(&[result]).inc();
    }

    /// What a node makes of the keys now, and did before.
    pub(super) fn says(&self, node: &str, before: &BTreeMap<KeyId, Verdict>, now: &BTreeMap<KeyId, Verdict>) {
        for gone in before.keys().filter(|id| !now.contains_key(id)) {
            // A series that is not there any more is as good as removed.
            let _ = self.accepted.remove_label_values(&[node, gone.as_str()]);
        }
        for (id, verdict) in now {
            let accepted = i64::from(*verdict == Verdict::Accepted);
            self.accepted.with_label_values(&[node, id.as_str()]).set(accepted);
        }
    }

    /// How many nodes are in which state.
    pub(super) fn count<'a>(&self, states: impl Iterator<Item = &'a str>) {
        let states: Vec<_> = states.collect();
        for state in STATES {
            let count = states.iter().filter(|one| **one == state).count();
            self.nodes.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The largest difference of clocks.
    pub(super) fn clocks(&self, difference: Duration) {
        self.skew.set(difference.as_secs_f64());
    }
}
