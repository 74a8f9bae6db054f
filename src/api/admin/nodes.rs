//! The nodes in `GET /v1/status`: what each makes of each key, and which is being restarted.

use std::collections::BTreeMap;

use livekit_keyd_core::plan::{self, Fleet, NodeState, World};

use super::Admin;
use crate::api::report::{NodeKey, NodeStatus, RestartStatus};

impl Admin {
    pub(super) fn nodes(&self) -> Vec<NodeStatus> {
        let outlook = self.rotator.as_ref().and_then(|rotator| rotator.outlook());
        let Some(world) = outlook.as_ref().map(|outlook| &outlook.world) else { return Vec::new() };
        world.proof.fleet().map(|fleet| all(world, fleet)).unwrap_or_default()
    }

    pub(super) fn restarting(&self) -> Option<RestartStatus> {
        let outlook = self.rotator.as_ref().and_then(|rotator| rotator.outlook())?;
        let (_, rollout) = outlook.world.proof.fleet()?.rollout.last()?;
        let restart = rollout.restarting.as_ref()?;
        Some(RestartStatus {
            publisher: restart.publisher.clone(),
            node: restart.node.clone(),
            by: restart.by.clone(),
            generation: rollout.generation,
            began_at: restart.began_at,
            ordered_at: restart.ordered_at,
        })
    }
}

fn all(world: &World, fleet: &Fleet) -> Vec<NodeStatus> {
    let states = plan::node_states(world);
    let forgotten = fleet.rollout.last().map(|(_, rollout)| &rollout.forgotten);
    let nodes = fleet.nodes.iter().map(|(address, node)| {
        let keys = node.answers.iter().map(|(id, answer)| {
            let verdict = fleet.verdict(node, id, world.now).map_or("unknown", plan::Verdict::as_str);
            (id.to_string(), NodeKey { verdict: verdict.to_owned(), since: answer.since })
        });
        let (on_target, message) = match states.get(address) {
            Some(NodeState::On) => (true, None),
            Some(NodeState::Off(why) | NodeState::Unknown(why)) => (false, Some(why.clone())),
            None => (false, None),
        };
        NodeStatus {
            address: address.clone(),
            on_target,
            answering_since: node.answering_since,
            clock_difference: livekit_keyd_core::duration::format(node.clock_difference),
            forgotten: forgotten.and_then(|all| all.get(address)).map(|why| why.reason.clone()),
            message,
            keys: keys.collect::<BTreeMap<_, _>>(),
        }
    });
    let unresolved = fleet.unresolved.iter().map(|(name, why)| NodeStatus {
        address: name.clone(),
        on_target: false,
        answering_since: None,
        clock_difference: "0s".to_owned(),
        forgotten: None,
        message: Some(why.clone()),
        keys: BTreeMap::new(),
    });
    nodes.chain(unresolved).collect()
}
