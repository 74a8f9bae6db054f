//! A rotator as the daemon is: observe, plan, do the first step, and again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Change, apply};
use livekit_keyd_core::document::{Document, WriteId};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{
    Action, Fleet, KeysetWorld, LONGEST_SLEEP, Node, Observed, Order, Plan, Proof, Publication, Restarter,
    Standby, Step, Versions, World,
};
use livekit_keyd_core::rollout;
use livekit_keyd_core::rules::Rules;
use livekit_keyd_core::time::Time;

use super::fleet::StoredRollout;
use super::mutant::{self, Mutation};
use super::sim::Sleep;
use super::state::{Outcome, Shared, Write};

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
    first_seen: BTreeMap<(String, KeyId), Option<u64>>,
    /// What was done last, and how many writes the world had seen then.
    last_step: Option<(Step, u64)>,
    last_look: Option<World>,
    /// What nodes said to this process.
    nodes: BTreeMap<String, Node>,
    /// Until when the restarts take that it ordered.
    orders: RefCell<BTreeMap<u64, i64>>,
    /// When it asked each node last, by the true time.
    asked: BTreeMap<String, i64>,
    /// The lease of one that shares none.
    own_lease: RefCell<StoredRollout>,
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

    fn mutated(&self, mutation: Mutation) -> bool {
        self.shared.with(|state| state.mutated(mutation))
    }

    fn clock(&self) -> Time {
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

    fn complain(&self, what: String) {
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

    async fn execute(&self, world: &World, step: &Step) -> Outcome {
        match &step.action {
            Action::Save { keyset, change } => {
                let seen = &world.keysets[keyset];
                let document = seen.document.fresh().expect("plans rest on fresh documents");
                self.save(keyset, seen, document, change, world.now).await
            }
            Action::Publish { publisher, there, wanted } => {
                let (there, mut wanted) = (there.clone(), wanted.clone());
                let old = self.last_look.as_ref().filter(|_| self.mutated(Mutation::PublishesOldLook));
                if let Some(old) = old.and_then(|look| Publication::wanted(look, &there)) {
                    wanted = Publication { changed_at: wanted.changed_at, ..old };
                    wanted.vector.0 = self
                        .last_look
                        .iter()
                        .flat_map(|look| &look.keysets)
                        .filter_map(vector_part)
                        .collect();
                }
                let write = Write::Publication { publisher: publisher.clone(), there, wanted };
                self.shared.write(write).await
            }
            Action::Roll { change } => {
                let fleet = world.proof.fleet().expect("rollouts come of proof");
                let (version, rollout) = fleet.rollout.fresh().expect("plans rest on what is fresh");
                match rollout::apply(rollout, change, &self.name, self.clock()) {
                    Ok(next) if self.mutated(Mutation::RestartsWithoutLease) => {
                        let version = self.own_lease.borrow().version + 1;
                        *self.own_lease.borrow_mut() = StoredRollout { version, rollout: next };
                        self.shared.with(|state| state.writes += 1);
                        Outcome::Landed
                    }
                    Ok(next) => self.shared.write(Write::Rollout { expected: *version, rollout: next }).await,
                    Err(illegal) => {
                        self.complain(format!("planned, and refused: {change:?}: {illegal}"));
                        Outcome::Unknown
                    }
                }
            }
            Action::Restart { node, generation, .. } => {
                self.shared.turn().await;
                let node = node.as_ref().expect("nodes are restarted one by one here");
                let asked_at = self.asked.get(node).copied().unwrap_or_default();
                let until = self.shared.with(|state| {
                    state.writes += 1;
                    let done = state.order_restart(node, *generation, asked_at);
                    done.then(|| state.now + state.random.between(0, 30_000))
                });
                let Some(until) = until else { return Outcome::Conflict };
                self.orders.borrow_mut().insert(*generation, until);
                Outcome::Landed
            }
            Action::PublishClient { keyset, there, wanted } => {
                let mut wanted = wanted.clone();
                if wanted.changed_at.is_some() {
                    self.shared.turn().await;
                    self.shared.with(|state| state.tell_dependents(keyset));
                    wanted.changed_at = Some(self.clock());
                }
                let write = Write::Client { keyset: keyset.clone(), there: there.clone(), wanted };
                self.shared.write(write).await
            }
            Action::Purge { keyset, versions, standby } => {
                if !versions.is_empty() {
                    let write = Write::Destroy { keyset: keyset.clone(), versions: versions.clone() };
                    if self.shared.write(write).await != Outcome::Landed {
                        return Outcome::Unknown;
                    }
                }
                for id in standby {
                    let write = Write::Remove { keyset: keyset.clone(), id: id.clone() };
                    if self.shared.write(write).await != Outcome::Landed {
                        return Outcome::Unknown;
                    }
                }
                Outcome::Landed
            }
        }
    }

    /// Secrets lie in the store before a document names them.
    async fn save(
        &self,
        keyset: &str,
        seen: &KeysetWorld,
        document: &Document,
        change: &Change,
        now: Time,
    ) -> Outcome {
        let write = WriteId(self.shared.with(|state| state.new_name()));
        let mut material = mutant::at_hand(seen, write);
        let mut secrets = Vec::new();
        for _ in 0..change.creates() {
            let (id, secret) = self.shared.with(|state| state.new_key());
            let write = Write::Standby { keyset: keyset.to_owned(), id: id.clone(), secret };
            if self.mutated(Mutation::NamesBeforeWriting) {
                secrets.push(write);
            } else if self.shared.write(write).await != Outcome::Landed {
                return Outcome::Unknown;
            }
            material.fresh.push(id);
        }
        let fresh = material.fresh.clone();
        let next = match apply(document, change, now, material) {
            Ok(next) => Arc::new(next),
            Err(illegal) => {
                self.complain(format!("planned, and refused: {change:?}: {illegal}"));
                return Outcome::Unknown;
            }
        };
        let what = format!("{} by {} at {}: {}", change.name(), self.name, self.clock(), detail(change));
        let expected = seen.versions.current;
        let write = Write::Document { keyset: keyset.to_owned(), expected, document: next, what };
        let outcome = self.shared.write(write).await;
        for secret in secrets {
            self.shared.write(secret).await;
        }
        if outcome == Outcome::Conflict {
            for id in fresh {
                self.shared.write(Write::Remove { keyset: keyset.to_owned(), id }).await;
            }
        }
        outcome
    }

    /// Publications, documents, what lies beside them, and the clock: in this order.
    async fn observe(&mut self) -> World {
        let (keysets, publishers) = self.shared.with(|state| {
            let names = |map: Vec<&String>| map.into_iter().cloned().collect::<Vec<_>>();
            (names(state.shelves.keys().collect()), names(state.publishers.keys().collect()))
        });
        let mut world = World {
            now: Time::MIN,
            proof: Proof::Disabled,
            keysets: BTreeMap::new(),
            publications: BTreeMap::new(),
        };
        for name in publishers {
            self.shared.turn().await;
            let seen = if self.shared.read_fails() {
                Observed::Unknown { since: self.clock(), why: "it was not to be read".into() }
            } else {
                Observed::Fresh(self.shared.with(|state| state.publishers[&name].holds.clone()))
            };
            world.publications.insert(name, seen);
        }
        for name in keysets {
            if let Some(seen) = self.observe_keyset(&name).await {
                world.keysets.insert(name, seen);
            }
        }
        if self.shared.with(|state| state.setup.proven) {
            world.proof = self.observe_fleet().await;
        }
        self.shared.turn().await;
        world.now = self.clock();
        world
    }

    /// The lease, and what nodes say: each is asked at another moment, and some not at all this time.
    async fn observe_fleet(&mut self) -> Proof {
        self.shared.turn().await;
        let shared = self.shared.with(|state| state.rollout.clone());
        let leaseless = self.mutated(Mutation::RestartsWithoutLease);
        let stored = if leaseless { self.own_lease.borrow().clone() } else { shared };
        let rollout = if self.shared.read_fails() {
            Observed::Unknown { since: self.clock(), why: "it was not to be read".into() }
        } else {
            Observed::Fresh((stored.version, stored.rollout))
        };
        let count = self.shared.with(|state| state.nodes.len());
        let mut restarters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for index in 0..count {
            let (name, publisher, skipped) = self.shared.with(|state| {
                let skipped = state.faults && state.random.chance(200);
                (state.nodes[index].name.clone(), state.nodes[index].publisher.clone(), skipped)
            });
            restarters.entry(publisher).or_default().push(name.clone());
            if !skipped {
                self.shared.turn().await;
                let clock = self.clock();
                self.asked.insert(name.clone(), self.shared.with(|state| state.now));
                let seen = self.nodes.entry(name).or_default();
                self.shared.with(|state| state.ask(index, seen, clock));
            }
        }
        let mut unresolved = BTreeMap::new();
        if self.shared.read_fails() {
            unresolved.insert("dns:nodes".to_owned(), "it was not to be resolved".to_owned());
        }
        let now = self.shared.with(|state| state.now);
        let order = |until: i64| if until <= now { Order::Done } else { Order::Running };
        let orders = self.orders.borrow();
        Proof::Required(Box::new(Fleet {
            nodes: self.nodes.clone(),
            unresolved,
            min_nodes: count,
            fresh_for: Duration::from_secs(10),
            node_restart_timeout: Duration::from_secs(120),
            rollout,
            restarters: restarters
                .into_iter()
                .map(|(publisher, nodes)| (publisher, Restarter::Nodes(Some(nodes))))
                .collect(),
            me: self.name.clone(),
            orders: orders.iter().map(|(generation, until)| (*generation, order(*until))).collect(),
        }))
    }

    async fn observe_keyset(&mut self, name: &str) -> Option<KeysetWorld> {
        self.shared.turn().await;
        let client = self.shared.with(|state| state.clients.get(name).cloned()).map(Observed::Fresh);
        self.shared.turn().await;
        let unreadable = self.shared.read_fails();
        let (document, version) = self.shared.with(|state| {
            let shelf = &state.shelves[name];
            Some((Arc::clone(shelf.document()?), shelf.version()))
        })?;
        self.shared.turn().await;
        let listed: Vec<_> = self.shared.with(|state| state.shelves[name].standby.keys().cloned().collect());
        let mut standby = BTreeMap::new();
        for id in listed {
            let mut secret = None;
            if document.key(&id).is_some_and(livekit_keyd_core::key::Key::is_standby) {
                self.shared.turn().await;
                secret = self.shared.with(|state| state.shelves[name].standby.get(&id).cloned());
                if secret.is_none() {
                    continue;
                }
            }
            let seen_at_seq = self.first_seen(name, &id, document.seq);
            standby.insert(id, Standby { secret, seen_at_seq });
        }
        self.shared.turn().await;
        let older = self.shared.with(|state| state.shelves[name].older());
        let document = if unreadable {
            Observed::Stale { value: document, since: self.clock(), why: "it was not to be read".into() }
        } else {
            Observed::Fresh(document)
        };
        Some(KeysetWorld {
            document,
            rules: self.rules.clone(),
            revision: Some(self.revision),
            standby,
            versions: Versions { current: version, older },
            client,
            source: None,
        })
    }

    /// A secret was written before it was seen, and the document read before that may be older than the one that
    /// its writer has read: only the next look's document is surely not.
    fn first_seen(&mut self, keyset: &str, id: &KeyId, seq: u64) -> u64 {
        match self.first_seen.get_mut(&(keyset.to_owned(), id.clone())) {
            Some(seen) => *seen.get_or_insert(seq),
            None => {
                self.first_seen.insert((keyset.to_owned(), id.clone()), None);
                seq
            }
        }
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

fn vector_part(
    (name, seen): (&String, &KeysetWorld),
) -> Option<(String, (livekit_keyd_core::document::Lineage, u64))> {
    let document = seen.document.last()?;
    Some((name.clone(), (document.lineage.clone(), document.seq)))
}

fn detail(change: &Change) -> String {
    match (change, change.key()) {
        (Change::Commit { not_before, cause, .. }, Some(key)) => {
            format!("{key} from {not_before}, {cause:?}")
        }
        (_, Some(key)) => key.to_string(),
        _ => String::new(),
    }
}
