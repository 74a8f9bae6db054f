//! A node that was told to restart and does not know what it should: whether it still drains, or came back as it was.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::plan::{
    Action, AlarmKind, Answer, Fleet, Node, Observed, Plan, Proof, Restarter, Verdict, World, plan,
};
use livekit_keyd_core::rollout::{Restart, Rollout, RolloutChange};
use livekit_keyd_core::time::Time;
use support::{Setup, Sim, hours, seconds};

const NODE: &str = "http://10.0.0.1:7880";
const PUBLISHER: &str = "keys0";

/// What was seen of the node since it was told.
struct Seen {
    answering_for: Duration,
    gone_for: Option<Duration>,
}

/// A plan an hour after a restart was carried out, of a node that still knows none of the keys.
fn planned(seen: &Seen) -> Plan {
    let mut sim = Sim::new(&Setup::calm());
    sim.init();
    sim.advance(hours(1));
    let mut world = sim.world();
    let now = world.now;
    world.proof = Proof::Required(Box::new(fleet(&world, now, seen)));
    plan(&world)
}

fn fleet(world: &World, now: Time, seen: &Seen) -> Fleet {
    let keys = world.keysets.values().filter_map(|keyset| keyset.document.fresh());
    let ids = keys.flat_map(|document| document.published().map(|key| key.id.clone()));
    let refused = Answer { verdict: Verdict::Refused, since: now - seconds(1), asked_at: now - seconds(1) };
    let node = Node {
        answers: ids.map(|id| (id, refused.clone())).collect(),
        answering_since: Some(now - seen.answering_for),
        gone_at: seen.gone_for.map(|gone_for| now - gone_for),
        ..Node::default()
    };
    let told_at = now - hours(1);
    let restart = Restart {
        publisher: PUBLISHER.to_owned(),
        node: Some(NODE.to_owned()),
        target: node.answers.keys().cloned().collect(),
        by: "me".to_owned(),
        began_at: told_at,
        renewed_at: told_at,
        ordered_at: Some(told_at),
        repeated_at: None,
        repeats: 0,
    };
    let rollout = Rollout { generation: 7, restarting: Some(restart), ..Rollout::default() };
    Fleet {
        nodes: BTreeMap::from([(NODE.to_owned(), node)]),
        unresolved: BTreeMap::new(),
        min_nodes: 1,
        fresh_for: seconds(30),
        node_restart_timeout: hours(6),
        rollout: Observed::Fresh((1, rollout)),
        restarters: BTreeMap::from([(PUBLISHER.to_owned(), Restarter::Nodes(None))]),
        me: "me".to_owned(),
        orders: BTreeMap::new(),
    }
}

fn came_back_old(plan: &Plan) -> bool {
    plan.alarms.iter().any(|alarm| alarm.kind == AlarmKind::NodeCameBackOld)
}

fn repeats(plan: &Plan) -> bool {
    let repeat = |action: &Action| {
        matches!(action, Action::Roll { change: RolloutChange::Repeat { .. } })
            || matches!(action, Action::Restart { .. })
    };
    plan.steps.iter().any(|step| repeat(&step.action))
}

#[test]
fn a_node_that_drains_is_not_told_again_though_answers_of_it_were_lost() {
    for answering_for in [hours(2), seconds(600), seconds(1)] {
        let plan = planned(&Seen { answering_for, gone_for: None });
        assert!(!came_back_old(&plan) && !repeats(&plan), "{answering_for:?}: {plan:?}");
        let waits = plan.blocked.iter().any(|blocked| blocked.message.contains("it drains or starts"));
        assert!(waits, "{plan:?}");
    }
}

#[test]
fn a_node_that_was_gone_and_came_back_as_it_was_is_told_again_after_a_while() {
    let early = planned(&Seen { answering_for: seconds(20), gone_for: Some(seconds(25)) });
    assert!(came_back_old(&early) && !repeats(&early), "{early:?}");
    assert!(early.wake.is_some(), "{early:?}");
    let later = planned(&Seen { answering_for: seconds(40), gone_for: Some(seconds(45)) });
    assert!(came_back_old(&later) && repeats(&later), "{later:?}");
}

#[test]
fn a_node_that_was_gone_before_it_was_told_has_not_come_back_since() {
    let plan = planned(&Seen { answering_for: hours(2), gone_for: Some(hours(3)) });
    assert!(!came_back_old(&plan) && !repeats(&plan), "{plan:?}");
}
