//! What an operator should know about the nodes.

use super::fleet::{Fleet, Verdict};
use super::view::World;
use super::{AlarmKind, Plan, Proof};
use crate::duration;

pub(super) fn alarms(world: &World, plan: &mut Plan) {
    match &world.proof {
        Proof::Disabled => plan.alarm(
            AlarmKind::ProofDisabled,
            None,
            "proof is disabled: nobody asks LiveKit whether it knows a key, it is taken to know it publish_delay after its publication; restart LiveKit within that time".to_owned(),
        ),
        Proof::Required(fleet) => {
            if let Err(why) = fleet.is_known() {
                plan.alarm(AlarmKind::FleetUnknown, None, format!("no key can be proven: {why}"));
            }
            silent(fleet, plan);
            lacking(world, fleet, plan);
            clocks(world, fleet, plan);
        }
    }
}

fn silent(fleet: &Fleet, plan: &mut Plan) {
    let restarting = fleet.rollout.last().and_then(|(_, rollout)| rollout.restarting.as_ref());
    for (address, node) in fleet.counted() {
        let Some(trouble) = &node.trouble else { continue };
        let expected = restarting
            .is_some_and(|restart| restart.node.as_ref().is_none_or(|restarting| restarting == address));
        if !expected {
            plan.alarm(
                AlarmKind::NodeSilent,
                None,
                format!(
                    "node {address}: {trouble}; no key is proven and no other node restarted until it answers, or is struck off with `livekit-keyd node forget`"
                ),
            );
        }
    }
}

/// A commitment is not withdrawn for a node with an old file: that would only move the refusals.
fn lacking(world: &World, fleet: &Fleet, plan: &mut Plan) {
    for (name, keyset) in &world.keysets {
        let Some(document) = keyset.document.fresh() else { continue };
        let active = document.active(world.now);
        let ahead = document
            .committed()
            .filter(|key| key.is_usable() && key.commitment().is_some_and(|c| c.not_before > world.now));
        let remedy = if document.external {
            "until its owner has given that node the key"
        } else {
            "until it is restarted with what is published"
        };
        for key in ahead.chain(active) {
            for (address, node) in fleet.counted() {
                let verdict = fleet.verdict(node, &key.id, world.now);
                if matches!(verdict, Some(Verdict::Refused | Verdict::Mismatch)) {
                    plan.alarm(
                        AlarmKind::NodeLacksKey,
                        Some(name),
                        format!(
                            "node {address} does not take tokens of {}: who joins there is refused {remedy}",
                            key.id
                        ),
                    );
                }
            }
        }
    }
}

fn clocks(world: &World, fleet: &Fleet, plan: &mut Plan) {
    let skews = world.keysets.values().filter_map(|keyset| keyset.document.fresh());
    let Some(skew) = skews.map(|document| document.rules.clock_skew).min() else { return };
    if let Err(why) = fleet.clocks_agree(skew) {
        let message = format!(
            "{why}; see that time is synchronised: beyond {} tokens are refused",
            duration::format(skew)
        );
        plan.alarm(AlarmKind::ClocksDiffer, None, message);
    }
}
