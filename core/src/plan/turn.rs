//! One target's turn to restart: ordered, waited for, repeated, or over.

use std::time::Duration;

use super::fleet::{Fleet, Order, Verdict};
use super::roll::{PAUSE, ids, roll, wait};
use super::target::{NodeState, documents, expected, held, state};
use super::view::World;
use super::{Action, AlarmKind, Observed, Plan, Rule, Step};
use crate::rollout::{LEASE, RENEWAL, Restart, RolloutChange};

/// Within this time each node is asked while one is being restarted.
const ASKED: Duration = Duration::from_secs(1);
/// The longest pause before a restart that did not help is tried again, as a power of two.
const MOST_DOUBLINGS: u32 = 7;

/// The restart under way: ordered, waited for, repeated, or over.
pub(super) fn follow(world: &World, fleet: &Fleet, generation: u64, restart: &Restart, plan: &mut Plan) {
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
            // An answer that says what the last one said wakes nobody.
            plan.wake_at(now + ASKED);
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
    plan.wake_at(restart.renewed_at + LEASE + skew(world) + Duration::from_millis(1));
    wait(plan, "restart", format!("{} restarts {target}", restart.by), None);
}

/// It was restarted, and is not as it should be: still draining, still starting, or back with an old file.
fn came_back(world: &World, fleet: &Fleet, restart: &Restart, target: &str, missing: &str, plan: &mut Plan) {
    let node = restart.node.as_ref().and_then(|node| fleet.nodes.get(node));
    // A command may end long after the node was away. One that still drains answers, or is out of reach for a while:
    // told to stop a second time, livekit-server sends everybody away.
    let told_at = restart.repeated_at.unwrap_or(restart.began_at);
    let back = node.filter(|node| node.gone_at.is_some_and(|gone| gone >= told_at));
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

fn skew(world: &World) -> Duration {
    documents(world).map(|document| document.rules.clock_skew).max().unwrap_or_default()
}
