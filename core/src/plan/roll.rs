//! Nodes that do not know what is published are restarted: one at a time, each only after it was asked.
//!
//! A publication comes first. The intent is written under the lease, then the
//! restart is ordered, and the next node's turn comes when this one was seen to
//! know what it should, whoever restarted it. A node that does not come back
//! stops the rollout: the others keep serving.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fleet::{Fleet, Node, Restarter};
use super::publication::Publication;
use super::target::{NodeState, documents, due, is_under_way, restarter, state};
use super::view::World;
use super::{Action, AlarmKind, Observed, Plan, Rule, Step, turn};
use crate::key::KeyId;
use crate::rollout::{Rollout, RolloutChange};
use crate::time::Time;

/// livekit-server that is told to stop within a moment of its first answer never does.
const SETTLES: Duration = Duration::from_secs(2);
/// The pause before a restart that failed is tried again; before one that did not help, it doubles each time.
pub(super) const PAUSE: Duration = Duration::from_secs(30);

pub(super) fn nodes(world: &World, plan: &mut Plan) {
    let Some(fleet) = world.proof.fleet() else { return };
    match &fleet.rollout {
        Observed::Fresh((_, rollout)) => {
            remember(fleet, rollout, plan);
            match &rollout.restarting {
                Some(restart) => turn::follow(world, fleet, rollout.generation, restart, plan),
                None => begin(world, fleet, plan),
            }
        }
        Observed::Stale { why, since, .. } | Observed::Unknown { why, since } => plan.alarm(
            AlarmKind::RolloutUnreadable,
            None,
            format!("since {since} nobody knows which node is being restarted, so none is: {why}"),
        ),
    }
}

/// A node that was struck off and answers counts again.
fn remember(fleet: &Fleet, rollout: &Rollout, plan: &mut Plan) {
    let back =
        |address: &&String| fleet.nodes.get(*address).is_some_and(|node| node.answering_since.is_some());
    if let Some(node) = rollout.forgotten.keys().find(back) {
        let why = format!("node {node} was struck off, and answers: it counts again");
        roll(plan, RolloutChange::Remember { node: node.clone() }, why);
    }
}

fn begin(world: &World, fleet: &Fleet, plan: &mut Plan) {
    let states: Vec<_> = fleet
        .counted()
        .map(|(address, node)| (address, node, state(fleet, node, &due(world, fleet, address), world.now)))
        .collect();
    let off: Vec<_> = states
        .iter()
        .filter_map(|(address, node, state)| match state {
            NodeState::Off(why) => Some((*address, *node, why)),
            NodeState::On | NodeState::Unknown(_) => None,
        })
        .collect();
    let Some((first, _, why)) = off.first() else { return };
    if let Err(why) = may_begin(world, fleet, &states) {
        return wait(plan, "fleet", format!("no node is restarted: {why}"), None);
    }
    if restarter(fleet, first).is_none() {
        wait(plan, "restart", format!("restart node {first}, as nothing here can: {why}"), None);
    }
    for (address, node, why) in off {
        let Some((publisher, restarter)) = restarter(fleet, address) else { continue };
        if !is_settled(world, publisher) {
            let message = format!("`{publisher}` is to be published before {address} is restarted");
            wait(plan, "publication", message, None);
            continue;
        }
        let settled = node.answering_since.map_or(world.now, |since| since + SETTLES);
        if world.now < settled {
            return wait(plan, "fleet", format!("node {address} has only just started"), Some(settled));
        }
        let node = matches!(restarter, Restarter::Nodes(_)).then(|| address.clone());
        let target = ids(world, publisher);
        let change = RolloutChange::Begin { publisher: publisher.clone(), node, target };
        return roll(plan, change, format!("node {address} is to be restarted: {why}"));
    }
}

/// Whether it is known well enough what the others do: one that is down already is not joined by another.
fn may_begin(world: &World, fleet: &Fleet, states: &[(&String, &Node, NodeState)]) -> Result<(), String> {
    if is_compromised(world) {
        return Ok(());
    }
    fleet.is_known()?;
    let unknown = states.iter().find_map(|(address, _, state)| match state {
        NodeState::Unknown(why) => Some(format!("node {address}: {why}")),
        NodeState::On | NodeState::Off(_) => None,
    });
    unknown.map_or(Ok(()), Err)
}

/// Whether a key is out of use for a reason that does not wait.
pub(super) fn is_compromised(world: &World) -> bool {
    documents(world)
        .flat_map(|document| &document.keys)
        .any(|key| key.compromised_at.is_some() && key.erased_at.is_none())
}

/// Whether a publication stays as it is until the nodes have read it.
fn is_settled(world: &World, publisher: &str) -> bool {
    let Some(there) = world.publications.get(publisher).and_then(Observed::fresh) else { return false };
    is_under_way(world, there) && !is_compromised(world)
        || Publication::wanted(world, there).is_some_and(|wanted| wanted.same_keys(there))
}

pub(super) fn ids(world: &World, publisher: &str) -> BTreeSet<KeyId> {
    let there = world.publications.get(publisher).and_then(Observed::fresh);
    there.into_iter().flat_map(|there| &there.keys).map(|(id, _)| id.clone()).collect()
}

pub(super) fn roll(plan: &mut Plan, change: RolloutChange, why: String) {
    plan.steps.push(Step { rule: Rule::Roll, action: Action::Roll { change }, why });
}

pub(super) fn wait(plan: &mut Plan, reason: &'static str, message: String, until: Option<Time>) {
    if let Some(until) = until {
        plan.wake_at(until);
    }
    plan.blocked.push(super::Blocked { keyset: None, rule: Rule::Roll, reason, message, until });
}
