//! Nodes by keys: who accepts what.

use std::collections::BTreeSet;

use livekit_keyd_core::time::Time;

use crate::api::report::{NodeStatus, RestartStatus, Status};
use crate::cli::moment::relative;
use crate::cli::screen::Screen;
use crate::cli::table::columns;

/// A row a node, a column a key that any keyset still has; `yes`, `no`, `other secret` or `?`.
pub(super) fn matrix(status: &Status, now: Time, screen: &Screen) -> String {
    if status.nodes.is_empty() {
        return String::new();
    }
    let asked: BTreeSet<&String> = status.nodes.iter().flat_map(|node| node.keys.keys()).collect();
    let keys = status.keysets.iter().flat_map(|keyset| &keyset.keys);
    let keys: Vec<_> = keys.filter(|key| key.erased_at.is_none() && asked.contains(&key.id)).collect();
    let cells = |first: &str, cell: &dyn Fn(&str) -> String, last: String| {
        let mut row = vec![format!("  {first}")];
        row.extend(keys.iter().map(|key| cell(&key.id)));
        row.push(last);
        row
    };
    let phases = keys.iter().map(|key| key.phase.clone());
    let mut rows = vec![
        cells("NODE", &str::to_owned, "STATE".to_owned()),
        std::iter::once(String::new()).chain(phases).collect(),
    ];
    rows.extend(
        status.nodes.iter().map(|node| cells(&node.address, &|key| verdict(node, key), state(node, now))),
    );
    let mut text = columns(&rows);
    if let Some(restart) = &status.restarting {
        text.push_str(&screen.wrap(2, &restarting(restart, now)));
    }
    text
}

fn verdict(node: &NodeStatus, key: &str) -> String {
    let told = node.keys.get(key).map(|told| told.verdict.as_str());
    match told {
        Some("accepted") => "yes",
        Some("refused") => "no",
        Some("mismatch") => "other secret",
        _ => "?",
    }
    .to_owned()
}

fn state(node: &NodeStatus, now: Time) -> String {
    if let Some(reason) = &node.forgotten {
        return format!("struck off: {reason}");
    }
    match (&node.message, node.answering_since) {
        (None, Some(since)) if node.on_target => format!("on target, answers since {}", relative(since, now)),
        (Some(why), _) => why.clone(),
        (None, _) => "not asked yet".to_owned(),
    }
}

fn restarting(restart: &RestartStatus, now: Time) -> String {
    let target = restart.node.clone().unwrap_or_else(|| format!("the workload of {}", restart.publisher));
    let how_far = match restart.ordered_at {
        Some(at) => format!("was told to {}, and drains or starts", relative(at, now)),
        None => format!("is told to by {}", restart.by),
    };
    format!(
        "{target} restarts since {}: it {how_far}; the other nodes wait.",
        relative(restart.began_at, now)
    )
}
