//! Whether each of LiveKit's nodes answers, is one, knows the published keys, and has the same time.

use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Node, Publication, Verdict};
use prometheus::Registry;
use tokio::sync::{Notify, watch};

use super::{Outcome, clock_skew};
use crate::config::{Config, Proof};
use crate::fleet::{FleetMetrics, Watcher};

/// Nodes that have not said all by then are told of as they are.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn check(config: &Config, published: Option<Publication>, active: &[KeyId]) -> Vec<Outcome> {
    let Proof::Required(fleet) = &config.livekit.proof else { return Vec::new() };
    let metrics = match FleetMetrics::register(&Registry::new()) {
        Ok(metrics) => metrics,
        Err(error) => return vec![Outcome::fail("nodes", format!("they cannot be asked: {error}"))],
    };
    let watcher = match Watcher::new(fleet.settings.clone(), metrics) {
        Ok(watcher) => Arc::new(watcher),
        Err(error) => return vec![Outcome::fail("nodes", format!("they cannot be asked: {error}"))],
    };
    let keys = published.map(|published| published.keys).unwrap_or_default();
    watcher.ask_about(keys.into_iter().map(|(id, secret)| (id, Some(secret))).collect());
    let (stop, stopping) = watch::channel(false);
    let asking = tokio::spawn(Arc::clone(&watcher).run(Arc::new(Notify::new()), stopping));
    let in_time = tokio::time::timeout(PATIENCE, watcher.settled()).await.is_ok();
    let (nodes, unresolved) = watcher.seen();
    stop.send_replace(true);
    // What it says of itself was told.
    let _ = asking.await;

    let names = unresolved.iter().map(|(name, why)| {
        let why = format!(
            "{why}: nothing is proven while it gives no node; correct it in `nodes`, or mend the name server"
        );
        Outcome::fail(format!("node name {name}"), why)
    });
    let mut outcomes: Vec<Outcome> = names.collect();
    for (address, node) in &nodes {
        outcomes.push(outcome(config, address, node, active, in_time));
    }
    if nodes.len() < fleet.min_nodes {
        let why = format!(
            "there are {}, and min_nodes asks for {}: nothing is proven with fewer; start them, or lower min_nodes",
            nodes.len(),
            fleet.min_nodes
        );
        outcomes.push(Outcome::fail("nodes", why));
    }
    outcomes
}

fn outcome(config: &Config, address: &str, node: &Node, active: &[KeyId], in_time: bool) -> Outcome {
    let what = format!("node {address}");
    let most = clock_skew(config);
    if let Some(trouble) = &node.trouble {
        return Outcome::fail(
            what,
            format!("{trouble}; see that LiveKit runs there, and that `nodes` has its own address"),
        );
    }
    if !in_time {
        let seconds = PATIENCE.as_secs();
        return Outcome::fail(
            what,
            format!("it has not answered to every key within {seconds} s: see its load"),
        );
    }
    if node.clock_difference > most {
        let why = format!(
            "its clock differs from this machine's by {} or more, and clock_skew allows {}: keep the clocks together with NTP",
            duration::format(node.clock_difference),
            duration::format(most)
        );
        return Outcome::fail(what, why);
    }
    let those = |wrong: Verdict| {
        let those = node.answers.iter().filter(move |(_, answer)| answer.verdict == wrong);
        those.map(|(id, _)| id).collect::<Vec<_>>()
    };
    let list = |ids: &[&KeyId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (unknown, mismatched) = (those(Verdict::Refused), those(Verdict::Mismatch));
    if !mismatched.is_empty() {
        let why = format!(
            "it has another secret for {}: see which file it reads, and restart it with the published one",
            list(&mismatched)
        );
        return Outcome::fail(what, why);
    }
    if unknown.is_empty() {
        return Outcome::pass(
            what,
            format!("it is a LiveKit and knows all {} published keys", node.answers.len()),
        );
    }
    let why = format!("it does not know {}: it reads its keys at its start, so restart it", list(&unknown));
    match unknown.iter().any(|id| active.contains(id)) {
        true => Outcome::fail(what, format!("{why}; tokens of today's key are refused there")),
        false => Outcome::warn(what, why),
    }
}
