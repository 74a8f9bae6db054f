//! Nodes that do not know what is published are restarted: one at a time, each only after it was asked.
//!
//! A publication comes first. The intent is written under the lease, then the
//! restart is ordered, and the next node's turn comes when this one was seen to
//! know what it should, whoever restarted it. A node that does not come back
//! stops the rollout: the others keep serving.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fleet::{Fleet, Node, Order, Restarter, Verdict};
use super::publication::Publication;
use super::view::World;
use super::{Action, AlarmKind, Observed, Plan, Rule, Step};
use crate::document::Document;
use crate::key::KeyId;
use crate::rollout::{RENEWAL, Restart, Rollout, RolloutChange};
use crate::time::Time;

/// livekit-server that is told to stop within a moment of its first answer never does.
const SETTLES: Duration = Duration::from_secs(2);
/// The pause before a restart that failed, or did not help, is tried again; it doubles each time.
const PAUSE: Duration = Duration::from_secs(30);
/// The longest such pause, as a power of two.
const MOST_DOUBLINGS: u32 = 7;

pub(super) fn nodes(world: &World, plan: &mut Plan) {
    let Some(fleet) = world.proof.fleet() else { return };
    match &fleet.rollout {
        Observed::Fresh((_, rollout)) => {
            remember(fleet, rollout, plan);
            match &rollout.restarting {
                Some(restart) => follow(world, fleet, rollout.generation, restart, plan),
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

/// The restart under way: ordered, waited for, repeated, or over.
fn follow(world: &World, fleet: &Fleet, generation: u64, restart: &Restart, plan: &mut Plan) {
    let now = world.now;
    let target = restart.node.clone().unwrap_or_else(|| format!("the workload of `{}`", restart.publisher));
    let missing = missing(world, fleet, restart);
    let order = fleet.orders.get(&generation).filter(|_| restart.by == fleet.me);
    let Some(missing) = missing else {
        if order == Some(&Order::Running) {
            return wait(
                plan,
                "restart",
                format!("{target} is as it should be; its restart is about to end"),
                None,
            );
        }
        return roll(plan, RolloutChange::Finish, format!("{target} knows what is published"));
    };
    let late = restart.began_at + fleet.node_restart_timeout;
    if now >= late {
        plan.alarm(
            AlarmKind::RolloutStopped,
            None,
            format!(
                "{target} has been restarting since {} and is not back: {missing}. No other node is restarted until it is; look at it, restart it by hand, or strike it off with `livekit-keyd node forget`",
                restart.began_at
            ),
        );
    } else {
        plan.wake_at(late);
    }
    match restart.ordered_at {
        Some(_) => came_back(world, fleet, restart, &target, &missing, plan),
        None if restart.by == fleet.me => carry_out(world, fleet, generation, restart, order, &target, plan),
        None => take_over(world, fleet, restart, &target, plan),
    }
}

/// What is not yet as it should be with what is being restarted: it knows neither what is published now nor what was
/// when its turn began.
fn missing(world: &World, fleet: &Fleet, restart: &Restart) -> Option<String> {
    let Some(there) = world.publications.get(&restart.publisher).and_then(Observed::fresh) else {
        return Some(format!("`{}` cannot be read", restart.publisher));
    };
    let target = expected(world).into_iter().map(|(id, _)| {
        let accepted = restart.target.contains(&id);
        (id, accepted)
    });
    let (now, then) = (held(world, there), target.collect::<Vec<_>>());
    // Who knows a key that was made since its turn began must have started since.
    let since = restart.began_at + skew(world);
    let newer: Vec<_> = documents(world)
        .flat_map(|document| &document.keys)
        .filter(|key| key.erased_at.is_none() && key.created_at > since)
        .map(|key| key.id.clone())
        .collect();
    let nodes = fleet.counted().filter(|(address, _)| match &restart.node {
        Some(node) => node == *address,
        None => fleet.restarters.get(&restart.publisher).is_none_or(|restarter| restarter.reaches(address)),
    });
    let mut found = false;
    for (address, node) in nodes {
        found = true;
        let started = newer.iter().any(|id| fleet.verdict(node, id, world.now) == Some(Verdict::Accepted));
        if started || matches!(state(fleet, node, &then, world.now), NodeState::On) {
            continue;
        }
        match state(fleet, node, &now, world.now) {
            NodeState::On => {}
            NodeState::Off(why) | NodeState::Unknown(why) => return Some(format!("node {address}: {why}")),
        }
    }
    // A node that no name leads to any more is not coming back under this address.
    (!found && restart.node.is_none()).then(|| "it has no nodes".to_owned())
}

fn ids(world: &World, publisher: &str) -> BTreeSet<KeyId> {
    let there = world.publications.get(publisher).and_then(Observed::fresh);
    there.into_iter().flat_map(|there| &there.keys).map(|(id, _)| id.clone()).collect()
}

fn carry_out(
    world: &World,
    fleet: &Fleet,
    generation: u64,
    restart: &Restart,
    order: Option<&Order>,
    target: &str,
    plan: &mut Plan,
) {
    let now = world.now;
    if !fleet.restarters.contains_key(&restart.publisher) {
        return wait(
            plan,
            "restart",
            format!("`{}` was to restart {target} and is not configured here any more", restart.publisher),
            None,
        );
    }
    let renew_at = restart.renewed_at + RENEWAL;
    if now >= renew_at {
        return roll(plan, RolloutChange::Renew, format!("{target} is still being restarted"));
    }
    plan.wake_at(renew_at);
    let why = format!("{target} is restarted, under operation {generation}");
    match order {
        None if !is_off(world, fleet, restart) => {
            wait(plan, "node", format!("{target} is asked once more before it is restarted"), None);
        }
        None => order_restart(plan, generation, restart, why),
        Some(Order::Running) => wait(plan, "restart", format!("{target} is being restarted"), None),
        Some(Order::Done) => {
            roll(plan, RolloutChange::Ordered, format!("the restart of {target} was carried out"))
        }
        Some(Order::Failed(at, reason)) => {
            plan.alarm(
                AlarmKind::RestartFailed,
                None,
                format!("{target} could not be restarted, which is tried again: {reason}"),
            );
            let again = *at + PAUSE;
            if now >= again {
                order_restart(plan, generation, restart, why);
            } else {
                wait(plan, "restart", format!("the restart of {target} failed: {reason}"), Some(again));
            }
        }
    }
}

/// Whether a node said since its turn began that it still is not as it should be: somebody else may have restarted it.
/// Nothing is restarted on what is not known, as others take a node for done that says what it should while it drains.
fn is_off(world: &World, fleet: &Fleet, restart: &Restart) -> bool {
    let Some(node) = restart.node.as_ref().and_then(|node| fleet.nodes.get(node)) else { return true };
    let Some(there) = world.publications.get(&restart.publisher).and_then(Observed::fresh) else {
        return false;
    };
    let mut asked = expected(world).into_iter().filter_map(|(id, _)| node.answers.get(&id));
    asked.all(|answer| answer.asked_at >= restart.began_at)
        && matches!(state(fleet, node, &held(world, there), world.now), NodeState::Off(_))
}

fn order_restart(plan: &mut Plan, generation: u64, restart: &Restart, why: String) {
    let action =
        Action::Restart { publisher: restart.publisher.clone(), node: restart.node.clone(), generation };
    plan.steps.push(Step { rule: Rule::Roll, action, why });
}

/// Another rotator carries it out, until it is silent for too long.
fn take_over(world: &World, fleet: &Fleet, restart: &Restart, target: &str, plan: &mut Plan) {
    let reachable = fleet.restarters.contains_key(&restart.publisher);
    if reachable && restart.is_abandoned(world.now, skew(world)) {
        let why =
            format!("{} was to restart {target} and is silent: this process goes on with it", restart.by);
        return roll(plan, RolloutChange::Renew, why);
    }
    plan.wake_at(restart.renewed_at + crate::rollout::LEASE + skew(world) + Duration::from_millis(1));
    wait(plan, "restart", format!("{} restarts {target}", restart.by), None);
}

/// It was restarted, and is not as it should be: still draining, still starting, or back with an old file.
fn came_back(world: &World, fleet: &Fleet, restart: &Restart, target: &str, missing: &str, plan: &mut Plan) {
    let node = restart.node.as_ref().and_then(|node| fleet.nodes.get(node));
    // A command may end long after the node was away.
    let told_at = restart.repeated_at.unwrap_or(restart.began_at);
    let back = node.filter(|node| node.silent_at.is_some_and(|silent| silent >= told_at));
    let Some(since) = back.and_then(|node| node.answering_since) else {
        return wait(plan, "node", format!("{target} was restarted; it drains or starts: {missing}"), None);
    };
    plan.alarm(
        AlarmKind::NodeCameBackOld,
        None,
        format!("{target} was restarted and came back without what is published: {missing}; see which file it reads"),
    );
    let again = since + PAUSE * (1 << restart.repeats.min(MOST_DOUBLINGS));
    if world.now < again {
        wait(plan, "node", format!("{target} came back as it was; it is restarted again"), Some(again));
    } else if fleet.restarters.contains_key(&restart.publisher) {
        roll(
            plan,
            RolloutChange::Repeat { target: ids(world, &restart.publisher) },
            format!("{target} came back as it was: {missing}"),
        );
    }
}

/// What a node makes of the keys, against what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It accepts each key that it should, and refuses each that it should.
    On,
    /// It does not: a sentence.
    Off(String),
    /// Nobody knows: a sentence.
    Unknown(String),
}

/// The state of each node that counts, as rollouts go by it.
pub fn node_states(world: &World) -> BTreeMap<String, NodeState> {
    let fleet = world.proof.fleet();
    let nodes = fleet.into_iter().flat_map(|fleet| {
        fleet.counted().map(move |(address, node)| {
            (address.clone(), state(fleet, node, &due(world, fleet, address), world.now))
        })
    });
    nodes.collect()
}

fn state(fleet: &Fleet, node: &Node, expected: &[(KeyId, bool)], now: Time) -> NodeState {
    if let Some(trouble) = &node.trouble {
        return NodeState::Unknown(trouble.clone());
    }
    let mut unknown = None;
    for (id, accepted) in expected {
        match (fleet.verdict(node, id, now), accepted) {
            (Some(Verdict::Accepted), true) | (Some(Verdict::Refused), false) => {}
            (Some(Verdict::Accepted | Verdict::Mismatch), false) => {
                return NodeState::Off(format!("it still knows {id}"));
            }
            (Some(Verdict::Refused), true) => return NodeState::Off(format!("it does not know {id}")),
            (Some(Verdict::Mismatch), true) => {
                return NodeState::Off(format!("it has another secret for {id}, or its clock is far off"));
            }
            (None, _) => unknown = Some(format!("it has not answered about {id} lately")),
        }
    }
    unknown.map_or(NodeState::On, NodeState::Unknown)
}

/// Whether nodes are on their way from one set of keys to what a publication holds: some there, some not.
pub(super) fn is_under_way(world: &World, there: &Publication) -> bool {
    let Some(fleet) = world.proof.fleet() else { return false };
    if fleet.rollout.last().is_some_and(|(_, rollout)| rollout.restarting.is_some()) {
        return true;
    }
    let expected = held(world, there);
    let states = || fleet.counted().map(|(_, node)| state(fleet, node, &expected, world.now));
    states().any(|state| matches!(state, NodeState::On))
        && states().any(|state| matches!(state, NodeState::Off(_)))
}

/// Whether a key is out of use for a reason that does not wait.
pub(super) fn is_compromised(world: &World) -> bool {
    documents(world)
        .flat_map(|document| &document.keys)
        .any(|key| key.compromised_at.is_some() && key.erased_at.is_none())
}

/// What nodes should make of the keys as far as a publication has come: what is to change with the next one does not
/// count yet.
fn held(world: &World, there: &Publication) -> Vec<(KeyId, bool)> {
    expected(world).into_iter().filter(|(id, accepted)| there.secret(id).is_some() == *accepted).collect()
}

/// Which keys nodes should accept, and which they should refuse.
fn expected(world: &World) -> Vec<(KeyId, bool)> {
    let keys = documents(world).flat_map(|document| &document.keys).filter(|key| key.erased_at.is_none());
    keys.map(|key| (key.id.clone(), key.is_published())).collect()
}

fn documents(world: &World) -> impl Iterator<Item = &Document> {
    world.keysets.values().filter_map(|keyset| keyset.document.fresh()).map(AsRef::as_ref)
}

/// What a node should make of the keys: as far as what it reads has come, where that is known.
fn due(world: &World, fleet: &Fleet, node: &str) -> Vec<(KeyId, bool)> {
    let there = restarter(fleet, node).and_then(|(publisher, _)| world.publications.get(publisher));
    match there.and_then(Observed::fresh) {
        Some(there) => held(world, there),
        None => expected(world),
    }
}

/// Whether a publication stays as it is until the nodes have read it.
fn is_settled(world: &World, publisher: &str) -> bool {
    let Some(there) = world.publications.get(publisher).and_then(Observed::fresh) else { return false };
    is_under_way(world, there) && !is_compromised(world)
        || Publication::wanted(world, there).is_some_and(|wanted| wanted.same_keys(there))
}

fn restarter<'a>(fleet: &'a Fleet, node: &str) -> Option<(&'a String, &'a Restarter)> {
    fleet.restarters.iter().find(|(_, restarter)| restarter.reaches(node))
}

fn skew(world: &World) -> Duration {
    documents(world).map(|document| document.rules.clock_skew).max().unwrap_or_default()
}

fn roll(plan: &mut Plan, change: RolloutChange, why: String) {
    plan.steps.push(Step { rule: Rule::Roll, action: Action::Roll { change }, why });
}

fn wait(plan: &mut Plan, reason: &'static str, message: String, until: Option<Time>) {
    if let Some(until) = until {
        plan.wake_at(until);
    }
    plan.blocked.push(super::Blocked { keyset: None, rule: Rule::Roll, reason, message, until });
}
