//! What a node should know of the keys, and whether it does.
//!
//! What is to change with the next publication does not count yet: a node cannot
//! know more than what it reads.

use std::collections::BTreeMap;

use super::Observed;
use super::fleet::{Fleet, Node, Restarter, Verdict};
use super::publication::Publication;
use super::view::World;
use crate::document::Document;
use crate::key::KeyId;
use crate::time::Time;

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

pub(super) fn state(fleet: &Fleet, node: &Node, expected: &[(KeyId, bool)], now: Time) -> NodeState {
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

/// What nodes should make of the keys as far as a publication has come: what is to change with the next one does not
/// count yet.
pub(super) fn held(world: &World, there: &Publication) -> Vec<(KeyId, bool)> {
    expected(world).into_iter().filter(|(id, accepted)| there.secret(id).is_some() == *accepted).collect()
}

/// Which keys nodes should accept, and which they should refuse.
pub(super) fn expected(world: &World) -> Vec<(KeyId, bool)> {
    let keys = documents(world).flat_map(|document| &document.keys).filter(|key| key.erased_at.is_none());
    keys.map(|key| (key.id.clone(), key.is_published())).collect()
}

pub(super) fn documents(world: &World) -> impl Iterator<Item = &Document> {
    world.managed().map(|(_, document)| document)
}

/// What a node should make of the keys: as far as what it reads has come, where that is known.
pub(super) fn due(world: &World, fleet: &Fleet, node: &str) -> Vec<(KeyId, bool)> {
    let there = restarter(fleet, node).and_then(|(publisher, _)| world.publications.get(publisher));
    match there.and_then(Observed::fresh) {
        Some(there) => held(world, there),
        None => expected(world),
    }
}

pub(super) fn restarter<'a>(fleet: &'a Fleet, node: &str) -> Option<(&'a String, &'a Restarter)> {
    fleet.restarters.iter().find(|(_, restarter)| restarter.reaches(node))
}
