//! A rotator as the daemon is: observe, plan, do the first step, and again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::document::WriteId;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Action, LONGEST_SLEEP, Node, Plan, Proof, Step, World};
use livekit_keyd_core::rollout;
use livekit_keyd_core::rules::Rules;
use livekit_keyd_core::time::Time;

use super::fleet::StoredRollout;
use super::mutant::{self, Mutation};
use super::shared::Shared;
use super::sim::Sleep;
use super::write::Outcome;

/// How often nodes are asked while one is being restarted.
const HURRY: Duration = Duration::from_secs(1);

/// One life of a rotator's process.
pub(crate) struct Rotator {
    pub(crate) name: String,
    pub(crate) shared: Shared,
    pub(crate) sleep: Sleep,
    pub(crate) offset: i64,
    pub(crate) rules: Rules,
    pub(crate) revision: u64,
    /// The document's seq at the first look that began after a secret was seen; none yet until that look.
    pub(super) first_seen: BTreeMap<(String, KeyId), Option<u64>>,
    /// What was done last, and how many writes the world had seen then.
    last_step: Option<(Step, u64)>,
    pub(super) last_look: Option<World>,
    /// What nodes said to this process.
    pub(super) nodes: BTreeMap<String, Node>,
    /// Until when the restarts take that it ordered.
    pub(super) orders: RefCell<BTreeMap<u64, i64>>,
    /// When it asked each node last, by the true time.
    pub(super) asked: BTreeMap<String, i64>,
    /// The lease of one that shares none.
    pub(super) own_lease: RefCell<StoredRollout>,
}

impl Rotator {
    pub(crate) fn new(name: String, shared: Shared, sleep: Sleep) -> Rotator {
        let (offset, rules, revision) =
            shared.with(|state| (state.new_offset(), state.rules.clone(), state.revision));
        let mut own_lease = StoredRollout::default();
        // Numbers that no other rotator gives.
        let number = name.trim_start_matches('R').parse::<u64>().expect("rotators are numbered");
        own_lease.rollout.generation = number * 1_000_000;
        Rotator {
            name,
            shared,
            sleep,
            offset,
            rules,
            revision,
            first_seen: BTreeMap::new(),
            last_step: None,
            last_look: None,
            nodes: BTreeMap::new(),
            orders: RefCell::default(),
            asked: BTreeMap::new(),
            own_lease: RefCell::new(own_lease),
        }
    }

    /// Works until it is killed.
    pub(crate) async fn run(mut self) {
        loop {
            let world = self.observe().await;
            let plan = self.plan(&world);
            let mutated = self.mutant_step(&world).await;
            if !mutated && plan.steps.is_empty() {
                self.rest(&world, &plan).await;
            } else if !mutated {
                self.first_that_works(&world, &plan).await;
            }
            self.last_look = Some(world);
        }
    }

    /// The shipped plan, or what a mistake makes of it.
    fn plan(&self, world: &World) -> Plan {
        mutant::plan_with(self.shared.with(|state| state.setup.mutation), world)
    }

    pub(super) fn mutated(&self, mutation: Mutation) -> bool {
        self.shared.with(|state| state.mutated(mutation))
    }

    pub(super) fn clock(&self) -> Time {
        self.shared.with(|state| state.clock(self.offset))
    }

    async fn rest(&mut self, world: &World, plan: &Plan) {
        self.last_step = None;
        self.check_idle(world, plan);
        let trusts_wakes = self.shared.with(|state| state.setup.trusts_wakes);
        // Whoever runs `init` wakes rotators too; here they look again.
        let longest =
            if trusts_wakes && !world.keysets.is_empty() { Time::MAX } else { world.now + LONGEST_SLEEP };
        let hurried = world.proof.fleet().and_then(|fleet| fleet.rollout.last());
        let hurried = hurried.is_some_and(|(_, rollout)| rollout.restarting.is_some());
        let longest = if hurried { world.now + HURRY } else { longest };
        let until = plan.wake.map_or(longest, |wake| wake.min(longest));
        self.sleep.until(&self.shared, until.as_millis() - self.offset).await;
    }

    /// An idle rotator must wake in time, and have a reason to.
    fn check_idle(&self, world: &World, idle: &Plan) {
        let at = |now: Time| self.plan(&later(world, now));
        let looks_again = world.now + LONGEST_SLEEP;
        if let Some(wake) = idle.wake {
            if wake <= world.now {
                self.complain(format!("idle at {}, and its wake is {wake}: it would never sleep", world.now));
            } else if at(wake) == *idle {
                self.complain(format!("wakes at {wake} for nothing"));
            }
        }
        // What nodes say later wakes a rotator by itself.
        if world.proof.fleet().is_some() {
            return;
        }
        let sleeps_until = idle.wake.unwrap_or(Time::MAX).min(looks_again);
        let before = Time::from_millis(sleeps_until.as_millis() - 1);
        if let Some(step) = at(before).steps.first() {
            self.complain(format!("sleeps until {sleeps_until} though before it is due: {}", step.why));
        }
    }

    pub(super) fn complain(&self, what: String) {
        self.shared.with(|state| state.violate(0, format!("{}: {what}", self.name)));
    }

    async fn first_that_works(&mut self, world: &World, plan: &Plan) {
        for step in &plan.steps {
            let writes = self.shared.with(|state| state.writes);
            let renews = step.action == Action::Roll { change: rollout::RolloutChange::Renew };
            let shipped = self.mutated(Mutation::None) && !renews;
            if shipped && self.last_step.as_ref().is_some_and(|(last, then)| last == step && *then == writes)
            {
                self.complain(format!("did this and would do it again: {:?}", step));
            }
            match self.execute(world, step).await {
                Outcome::Landed => {
                    self.last_step = self.shared.with(|state| {
                        *state.steps.entry(step.rule.as_str()).or_default() += 1;
                        Some((step.clone(), state.writes))
                    });
                    return;
                }
                Outcome::Conflict => break,
                Outcome::Unknown => {}
            }
        }
        self.last_step = None;
        let pause = self.shared.with(|state| state.now + 50);
        self.sleep.until(&self.shared, pause).await;
    }

    /// What a broken rotator does beside its plan: whether it did something.
    async fn mutant_step(&self, world: &World) -> bool {
        let mutation = self.shared.with(|state| state.setup.mutation);
        let name = || WriteId(self.shared.with(|state| state.new_name()));
        let Some(write) = mutant::write(mutation, world, name) else { return false };
        self.shared.write(write).await;
        true
    }
}

/// The same world at another time, with nodes that go on saying what they said.
fn later(world: &World, now: Time) -> World {
    let passed = now.since(world.now);
    let mut world = World { now, ..world.clone() };
    if let Proof::Required(fleet) = &mut world.proof {
        let answers = fleet.nodes.values_mut().flat_map(|node| node.answers.values_mut());
        answers.for_each(|answer| answer.asked_at = answer.asked_at + passed);
    }
    world
}
