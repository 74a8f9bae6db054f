//! The simulator's world with rotators that can be copied: a look in two parts, then what its plan does first.
//!
//! Between any two parts the others may act. Everything that a rotator would write
//! is settled by its look, so a write may also land later, or never.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Change, Material, apply};
use livekit_keyd_core::document::{Request, WriteId};
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::plan::{
    Action, Fleet, KeysetWorld, Node, Observed, Order, Proof, Publication, Restarter, Standby, Step,
    Versions, World, plan,
};
use livekit_keyd_core::rollout;

use crate::support::fleet::Life;
use crate::support::state::{Outcome, State, Write, secret_of};
use crate::support::{Mutation, signer};

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A rotator reads the publications.
    Begins(usize),
    /// It reads all else, asks the nodes, looks at the clock and plans.
    Looks(usize),
    /// It does what it planned, and learns what became of it.
    Acts(usize),
    /// A signer reads the document.
    Refreshes(usize),
    /// Time passes.
    Passes,
    /// A rotator dies, and another begins in its place.
    Dies(usize),
    /// What it planned is under way and lands some other time; it hears nothing.
    Sends(usize),
    /// What was under way lands.
    Lands(usize),
    /// A node starts anew by itself, with an old file or not.
    Starts { node: usize, old: bool },
    /// An operator's command.
    Commands(Command),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Rotate,
    Revoke,
    Replace,
    RevokeAll,
}

impl Event {
    /// Whether it is none of a healthy world's.
    pub(crate) fn disturbs(self) -> bool {
        use Event::{Acts, Begins, Lands, Looks, Passes, Refreshes};
        !matches!(self, Begins(_) | Looks(_) | Acts(_) | Refreshes(_) | Passes | Lands(_))
    }
}

/// What a look decided.
#[derive(Clone)]
enum Pending {
    Writes(Vec<Write>),
    Restart { node: String, generation: u64, asked_at: i64 },
}

#[derive(Clone, Default)]
struct Rotator {
    publications: Option<BTreeMap<String, Publication>>,
    pending: Option<Pending>,
    nodes: BTreeMap<String, Node>,
    asked_at: i64,
    orders: BTreeSet<u64>,
    first_seen: BTreeMap<KeyId, Option<u64>>,
}

#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) state: State,
    rotators: Vec<Rotator>,
    under_way: Vec<Vec<Write>>,
    pub(crate) disturbances: usize,
}

/// The model's keyset.
const KEYSET: &str = "set0";
/// How far the clocks of two rotators are from the true time, in milliseconds.
const OFFSETS: [i64; 2] = [-3000, 3000];
/// How much time passes at once.
const TICK: i64 = 5000;

impl Machine {
    pub(crate) fn new(state: State) -> Machine {
        Machine { state, rotators: vec![Rotator::default(); 2], under_way: Vec::new(), disturbances: 0 }
    }

    /// Everything that may happen, the disturbances only while there is room for one more.
    pub(crate) fn events(&self, most_disturbances: usize) -> Vec<Event> {
        let mut events = vec![Event::Passes];
        for (index, rotator) in self.rotators.iter().enumerate() {
            events.push(match (&rotator.pending, &rotator.publications) {
                (Some(_), _) => Event::Acts(index),
                (None, Some(_)) => Event::Looks(index),
                (None, None) => Event::Begins(index),
            });
        }
        events.extend((0..self.state.signers.len()).map(Event::Refreshes));
        events.extend((0..self.under_way.len()).map(Event::Lands));
        if self.disturbances >= most_disturbances {
            return events;
        }
        for (index, rotator) in self.rotators.iter().enumerate() {
            if rotator.pending.is_some() {
                events.push(Event::Dies(index));
            }
            if matches!(rotator.pending, Some(Pending::Writes(_))) {
                events.push(Event::Sends(index));
            }
        }
        for (node, there) in self.state.nodes.iter().enumerate() {
            if there.life == Life::Serving {
                events.extend([false, true].map(|old| Event::Starts { node, old }));
            }
        }
        use Command::{Replace, Revoke, RevokeAll, Rotate};
        events.extend([Rotate, Revoke, Replace, RevokeAll].map(Event::Commands));
        events
    }

    /// The world after it; whatever can be signed is signed, as tokens only ever add to what must hold.
    pub(crate) fn after(&self, event: Event) -> Machine {
        let mut next = self.clone();
        next.disturbances += usize::from(event.disturbs());
        match event {
            Event::Begins(index) => {
                let publications = next.state.publishers.iter();
                let publications = publications.map(|(name, there)| (name.clone(), there.holds.clone()));
                next.rotators[index].publications = Some(publications.collect());
            }
            Event::Looks(index) => next.look(index),
            Event::Acts(index) => next.act(index),
            Event::Refreshes(index) => {
                let (keyset, now) = (next.state.signers[index].keyset.clone(), next.state.now);
                if let Some(document) = next.state.document(&keyset).cloned() {
                    signer::offer(&mut next.state, index, &document, now);
                }
            }
            Event::Passes => next.state.advance_to(next.state.now + TICK),
            Event::Dies(index) => next.rotators[index] = Rotator::default(),
            Event::Sends(index) => {
                if let Some(Pending::Writes(writes)) = next.rotators[index].pending.take() {
                    next.under_way.push(writes);
                }
            }
            Event::Lands(index) => {
                let writes = next.under_way.remove(index);
                next.land(writes);
            }
            Event::Starts { node, old } => next.state.start_node(node, old),
            Event::Commands(command) => next.command(command),
        }
        for index in 0..next.state.signers.len() {
            signer::sign(&mut next.state, index);
        }
        next.state.check_state();
        next
    }

    /// In order, as far as they are not refused. Secrets that no document came to name are taken back.
    fn land(&mut self, writes: Vec<Write>) {
        let made: Vec<_> = writes
            .iter()
            .filter_map(|write| match write {
                Write::Standby { id, .. } => Some(id.clone()),
                _ => None,
            })
            .collect();
        for write in writes {
            if self.state.land(write) != Outcome::Landed {
                let document = self.state.document(KEYSET).cloned();
                let named = |id: &KeyId| document.as_ref().is_some_and(|document| document.key(id).is_some());
                let shelf = self.state.shelf(KEYSET);
                shelf.standby.retain(|id, _| !made.contains(id) || named(id));
                return;
            }
        }
    }

    fn act(&mut self, index: usize) {
        match self.rotators[index].pending.take() {
            Some(Pending::Writes(writes)) => self.land(writes),
            Some(Pending::Restart { node, generation, asked_at })
                if self.state.order_restart(&node, generation, asked_at) =>
            {
                self.rotators[index].orders.insert(generation);
            }
            Some(Pending::Restart { .. }) | None => {}
        }
    }

    fn look(&mut self, index: usize) {
        let Some(publications) = self.rotators[index].publications.take() else { return };
        let world = self.world(index, publications);
        let mut plan = plan(&world);
        if let Mutation::Omits(rule) = self.state.setup.mutation {
            plan.steps.retain(|step| step.rule != rule);
        }
        let pending = plan.steps.first().and_then(|step| self.settle(index, &world, step));
        self.rotators[index].pending = pending;
    }

    fn world(&mut self, index: usize, publications: BTreeMap<String, Publication>) -> World {
        let now = self.state.clock(OFFSETS[index]);
        let rotator = &mut self.rotators[index];
        let mut keysets = BTreeMap::new();
        if let Some(document) = self.state.document(KEYSET).cloned() {
            let shelf = &self.state.shelves[KEYSET];
            let mut standby = BTreeMap::new();
            for (id, secret) in &shelf.standby {
                let secret = document.key(id).is_some_and(Key::is_standby).then(|| secret.clone());
                let seen_at_seq = match rotator.first_seen.get_mut(id) {
                    Some(seen) => *seen.get_or_insert(document.seq),
                    None => {
                        rotator.first_seen.insert(id.clone(), None);
                        document.seq
                    }
                };
                standby.insert(id.clone(), Standby { secret, seen_at_seq });
            }
            let older = shelf.versions.iter().enumerate().rev().skip(1);
            let older = older.filter(|(_, version)| version.is_some()).map(|(at, _)| at as u64 + 1).collect();
            let seen = KeysetWorld {
                document: Observed::Fresh(document),
                rules: self.state.rules.clone(),
                revision: Some(self.state.revision),
                standby,
                versions: Versions { current: shelf.version(), older },
                client: None,
                source: None,
            };
            keysets.insert(KEYSET.to_owned(), seen);
        }
        let mut nodes = std::mem::take(&mut rotator.nodes);
        rotator.asked_at = self.state.now;
        for node in 0..self.state.nodes.len() {
            let name = self.state.nodes[node].name.clone();
            self.state.ask(node, nodes.entry(name).or_default(), now);
        }
        let rotator = &mut self.rotators[index];
        rotator.nodes.clone_from(&nodes);
        let stored = &self.state.rollout;
        let fleet = Fleet {
            min_nodes: nodes.len(),
            nodes,
            unresolved: BTreeMap::new(),
            fresh_for: Duration::from_secs(10),
            node_restart_timeout: Duration::from_secs(120),
            rollout: Observed::Fresh((stored.version, stored.rollout.clone())),
            restarters: publications.keys().map(|name| (name.clone(), Restarter::Nodes(None))).collect(),
            me: format!("R{index}"),
            orders: rotator.orders.iter().map(|generation| (*generation, Order::Done)).collect(),
        };
        World {
            now,
            proof: Proof::Required(Box::new(fleet)),
            keysets,
            publications: publications
                .into_iter()
                .map(|(name, there)| (name, Observed::Fresh(there)))
                .collect(),
        }
    }

    /// What a step writes, by what was seen.
    fn settle(&mut self, index: usize, world: &World, step: &Step) -> Option<Pending> {
        let writes = match &step.action {
            Action::Save { keyset, change } => {
                let seen = &world.keysets[keyset];
                self.save(&format!("R{index}"), seen, change, world.now)?
            }
            Action::Publish { publisher, there, wanted } => vec![Write::Publication {
                publisher: publisher.clone(),
                there: there.clone(),
                wanted: wanted.clone(),
            }],
            Action::Roll { change } => {
                let fleet = world.proof.fleet()?;
                let (version, rollout) = fleet.rollout.fresh()?;
                match rollout::apply(rollout, change, &fleet.me, world.now) {
                    Ok(next) => vec![Write::Rollout { expected: *version, rollout: next }],
                    Err(illegal) => {
                        self.state.violate(0, format!("planned, and refused: {change:?}: {illegal}"));
                        return None;
                    }
                }
            }
            Action::Restart { node, generation, .. } => {
                let asked_at = self.rotators[index].asked_at;
                return Some(Pending::Restart { node: node.clone()?, generation: *generation, asked_at });
            }
            Action::Purge { keyset, versions, standby } => {
                let destroy = Write::Destroy { keyset: keyset.clone(), versions: versions.clone() };
                let remove =
                    standby.iter().map(|id| Write::Remove { keyset: keyset.clone(), id: id.clone() });
                [destroy].into_iter().chain(remove).collect()
            }
            Action::PublishClient { .. } => return None,
        };
        Some(Pending::Writes(writes))
    }

    /// Names follow from who writes what, so that two ways to the same world are seen as such.
    fn save(
        &mut self,
        by: &str,
        seen: &KeysetWorld,
        change: &Change,
        now: livekit_keyd_core::time::Time,
    ) -> Option<Vec<Write>> {
        let document = seen.document.fresh()?;
        let fresh: Vec<_> = (0..change.creates())
            .map(|number| KeyId::new(format!("API{by}{}x{number}", document.seq)))
            .collect();
        let known = seen.standby.iter().filter_map(|(id, there)| Some((id.clone(), there.secret.clone()?)));
        let material = Material {
            write: WriteId(format!("{by}{}", document.seq)),
            fresh: fresh.clone(),
            secrets: known.collect(),
        };
        let next = match apply(document, change, now, material) {
            Ok(next) => Arc::new(next),
            Err(illegal) => {
                if by != "operator" {
                    self.state.violate(0, format!("planned, and refused: {change:?}: {illegal}"));
                }
                return None;
            }
        };
        let standby = fresh.into_iter().map(|id| {
            let secret = secret_of(&id);
            Write::Standby { keyset: KEYSET.to_owned(), id, secret }
        });
        let document = Write::Document {
            keyset: KEYSET.to_owned(),
            expected: seen.versions.current,
            document: next,
            what: change.name().to_owned(),
        };
        Some(standby.chain([document]).collect())
    }

    fn command(&mut self, command: Command) {
        let now = self.state.clock(0);
        let Some(document) = self.state.document(KEYSET).cloned() else { return };
        let Some(active) = document.active(now).map(|key| key.id.clone()) else { return };
        let reason = "it was seen in a log".to_owned();
        let change = match command {
            Command::Rotate => Change::Request(Request { by: "an operator".to_owned(), at: now, key: None }),
            Command::Revoke => Change::Revoke { key: active, reason, accept_outage: false },
            Command::Replace => Change::Replace { key: active, reason },
            Command::RevokeAll => Change::RevokeAll { reason },
        };
        let shelf = &self.state.shelves[KEYSET];
        let standby = |(id, secret): (&KeyId, &livekit_keyd_core::secret::Secret)| {
            (id.clone(), Standby { secret: Some(secret.clone()), seen_at_seq: 0 })
        };
        let seen = KeysetWorld {
            document: Observed::Fresh(document),
            rules: self.state.rules.clone(),
            revision: Some(self.state.revision),
            standby: shelf.standby.iter().map(standby).collect(),
            versions: Versions { current: shelf.version(), older: Vec::new() },
            client: None,
            source: None,
        };
        if let Some(writes) = self.save("operator", &seen, &change, now) {
            self.land(writes);
        }
    }

    // ---- which world it is ----

    /// Of everything on which what comes next depends.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let into = &mut hasher;
        let state = &self.state;
        (state.now, &state.tokens, &state.began_at, self.disturbances).hash(into);
        (state.rollout.version, &state.rollout.rollout).hash(into);
        for shelf in state.shelves.values() {
            (&shelf.versions, &shelf.standby, &shelf.lost).hash(into);
        }
        for publisher in state.publishers.values() {
            hash_publication(&publisher.holds, into);
            hash_publication(&publisher.before, into);
        }
        for node in &state.nodes {
            (&node.keys, &node.ever, node.generation, node.started_at, node.is_stale).hash(into);
            match node.life {
                Life::Serving => 0,
                Life::Draining { until } => until,
                Life::Away { until } => -until,
            }
            .hash(into);
        }
        for signer in &state.signers {
            (&signer.document, &signer.mark, &signer.compromised, signer.asked_at).hash(into);
        }
        for rotator in &self.rotators {
            rotator.publications.is_some().hash(into);
            rotator.publications.iter().flatten().for_each(|(_, there)| hash_publication(there, into));
            (&rotator.orders, &rotator.first_seen, rotator.asked_at).hash(into);
            for node in rotator.nodes.values() {
                (node.answering_since, node.gone_at, node.trouble.is_some()).hash(into);
                for (id, answer) in &node.answers {
                    (id, answer.verdict, answer.since, answer.asked_at).hash(into);
                }
            }
            match &rotator.pending {
                None => 0.hash(into),
                Some(Pending::Writes(writes)) => writes.iter().for_each(|write| hash_write(write, into)),
                Some(Pending::Restart { node, generation, asked_at }) => {
                    (node, generation, asked_at).hash(into);
                }
            }
        }
        for writes in &self.under_way {
            writes.len().hash(into);
            writes.iter().for_each(|write| hash_write(write, into));
        }
        hasher.finish()
    }

    /// The world alone, as it is when every process starts anew.
    pub(crate) fn into_state(mut self) -> State {
        for writes in std::mem::take(&mut self.under_way) {
            self.land(writes);
        }
        self.state
    }
}

fn hash_publication(publication: &Publication, into: &mut DefaultHasher) {
    (&publication.keys, &publication.vector.0, publication.changed_at).hash(into);
}

fn hash_write(write: &Write, into: &mut DefaultHasher) {
    match write {
        Write::Standby { id, .. } => (1, id).hash(into),
        Write::Remove { id, .. } => (2, id).hash(into),
        Write::Document { expected, document, .. } => (3, expected, document).hash(into),
        Write::Destroy { versions, .. } => (4, versions).hash(into),
        Write::Publication { publisher, there, wanted } => {
            (5, publisher).hash(into);
            hash_publication(there, into);
            hash_publication(wanted, into);
        }
        Write::Rollout { expected, rollout } => (6, expected, rollout).hash(into),
    }
}
