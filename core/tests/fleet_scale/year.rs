//! A year of rollouts over many nodes: one rotator that carries out the shipped plans, with nodes that drain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Change, Material, apply};
use livekit_keyd_core::document::{Document, Lineage, Made, STANDBYS, WriteId};
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::plan::{
    Action, Answer, Fleet, KeysetWorld, Node, Observed, Order, Proof, Publication, Restarter, Standby,
    Verdict, Versions, World, plan,
};
use livekit_keyd_core::rollout::{self, Rollout};
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;

use crate::support::Setup;

/// How long a node answers nothing between its end and its start.
const ABSENCE: Duration = Duration::from_secs(5);
/// How soon a rotator notices what a node does.
const ROUND: Duration = Duration::from_secs(1);
const KEYSET: &str = "main";
const PUBLISHER: &str = "keys";

/// What a year of rotations did to the nodes and to LiveKit's own tokens.
#[derive(Debug)]
pub(crate) struct Year {
    pub(crate) drain: Duration,
    pub(crate) nodes: usize,
    pub(crate) rotations: usize,
    pub(crate) fewest_restarts: usize,
    pub(crate) most_restarts: usize,
    pub(crate) longest_rollout: Duration,
    pub(crate) longest_without_standby: Duration,
    /// Of LiveKit's own tokens, while nodes differ.
    pub(crate) missed_in_rollouts: f64,
    pub(crate) missed_at_worst: f64,
    /// Of those of the whole time.
    pub(crate) missed: f64,
}

#[derive(Clone, Copy)]
enum Life {
    Serving,
    Draining(Time),
    Away(Time),
}

/// A node: the keys of the file that it read, in the file's order.
struct Real {
    file: Arc<Vec<KeyId>>,
    life: Life,
    restarts: usize,
}

struct Fleeting {
    world: World,
    nodes: BTreeMap<String, Real>,
    drain: Duration,
    made: usize,
}

impl Year {
    pub(crate) fn of(nodes: usize, rotations: usize, drain: Duration) -> Year {
        let mut fleet = Fleeting::new(nodes);
        fleet.until(fleet.world.now + Duration::from_secs(86_400));
        // From the second day on: the first one brought the nodes their first keys, with nobody to drain.
        fleet.drain = drain;
        fleet.nodes.values_mut().for_each(|node| node.restarts = 0);
        let began = fleet.world.now;
        let week = Duration::from_secs(7 * 86_400);
        let mut year = Year {
            drain,
            nodes,
            rotations,
            fewest_restarts: 0,
            most_restarts: 0,
            longest_rollout: Duration::ZERO,
            longest_without_standby: Duration::ZERO,
            missed_in_rollouts: 0.0,
            missed_at_worst: 0.0,
            missed: 0.0,
        };
        let (mut without_since, mut differ_since) = (None, None);
        let (mut missed, mut differing) = (0.0, Duration::ZERO);
        // The last one's rollout is over before the next one is due.
        let end =
            began + week * u32::try_from(rotations).expect("some weeks") + Duration::from_secs(5 * 86_400);
        while fleet.world.now < end {
            let now = fleet.world.now;
            fleet.step_or_wait(end);
            let passed = fleet.world.now.since(now);
            if fleet.document().standbys().any(Key::is_proven_standby) {
                without_since = None;
            } else {
                let without = fleet.world.now.since(*without_since.get_or_insert(now));
                year.longest_without_standby = year.longest_without_standby.max(without);
            }
            let share = fleet.missed();
            if share > 0.0 {
                let since = *differ_since.get_or_insert(now);
                year.longest_rollout = year.longest_rollout.max(fleet.world.now.since(since));
                year.missed_at_worst = year.missed_at_worst.max(share);
                missed += share * passed.as_secs_f64();
                differing += passed;
            } else {
                differ_since = None;
            }
        }
        let restarts = || fleet.nodes.values().map(|node| node.restarts);
        year.fewest_restarts = restarts().min().unwrap_or_default();
        year.most_restarts = restarts().max().unwrap_or_default();
        year.missed_in_rollouts = missed / differing.as_secs_f64().max(1.0);
        year.missed = missed / end.since(began).as_secs_f64();
        year
    }
}

impl Fleeting {
    fn new(count: usize) -> Fleeting {
        let setup = Setup::calm();
        let keys: Vec<_> = (0..=STANDBYS).map(|number| KeyId::new(format!("API{number:05}"))).collect();
        let made =
            Made { lineage: Lineage("one".into()), write: WriteId("first".into()), keys: keys.clone() };
        let document = Document::create(KEYSET, setup.rules.clone(), Some(1), made, setup.start);
        let keyset = KeysetWorld {
            document: Observed::Fresh(Arc::new(document)),
            rules: setup.rules,
            revision: Some(1),
            standby: keys.iter().map(|id| (id.clone(), standby(id))).collect(),
            versions: Versions { current: 1, older: Vec::new() },
            client: None,
            source: None,
        };
        let names: Vec<_> = (0..count).map(|number| format!("node{number:03}")).collect();
        let fleet = Fleet {
            nodes: names.iter().map(|name| (name.clone(), Node::default())).collect(),
            unresolved: BTreeMap::new(),
            min_nodes: count,
            fresh_for: Duration::from_secs(30),
            node_restart_timeout: Duration::from_secs(3600),
            rollout: Observed::Fresh((0, Rollout::default())),
            restarters: BTreeMap::from([(PUBLISHER.to_owned(), Restarter::Nodes(None))]),
            me: "rotator".to_owned(),
            orders: BTreeMap::new(),
        };
        let node = || Real { file: Arc::default(), life: Life::Serving, restarts: 0 };
        Fleeting {
            world: World {
                now: setup.start,
                proof: Proof::Required(Box::new(fleet)),
                keysets: BTreeMap::from([(KEYSET.to_owned(), keyset)]),
                publications: BTreeMap::from([(
                    PUBLISHER.to_owned(),
                    Observed::Fresh(Publication::default()),
                )]),
            },
            nodes: names.into_iter().map(|name| (name, node())).collect(),
            drain: Duration::ZERO,
            made: keys.len(),
        }
    }

    fn keyset(&mut self) -> &mut KeysetWorld {
        self.world.keysets.get_mut(KEYSET).expect("the keyset")
    }

    fn document(&self) -> &Arc<Document> {
        self.world.keysets[KEYSET].document.fresh().expect("a document")
    }

    fn publication(&self) -> &Publication {
        self.world.publications[PUBLISHER].fresh().expect("a publication")
    }

    fn fleet(&mut self) -> &mut Fleet {
        match &mut self.world.proof {
            Proof::Required(fleet) => fleet,
            Proof::Disabled => unreachable!("nodes are asked here"),
        }
    }

    fn until(&mut self, end: Time) {
        while self.world.now < end {
            self.step_or_wait(end);
        }
    }

    /// Does what is planned first, or lets time pass until something happens.
    fn step_or_wait(&mut self, end: Time) {
        self.ask();
        let plan = plan(&self.world);
        if let Some(step) = plan.steps.first() {
            return self.carry_out(&step.action.clone());
        }
        let now = self.world.now;
        let changes = self.nodes.values().filter_map(|node| match node.life {
            Life::Serving => None,
            Life::Draining(until) | Life::Away(until) => Some(until + ROUND),
        });
        let next = changes.chain(plan.wake).chain([end]).min().unwrap_or(end);
        let busy = self.fleet().rollout.last().is_some_and(|(_, rollout)| rollout.restarting.is_some());
        // Whoever waits for a node to be asked once more waits for a round.
        let waits = plan.blocked.iter().any(|blocked| blocked.reason == "node") && busy;
        let next = if waits && self.nodes.values().all(|node| matches!(node.life, Life::Serving)) {
            next.min(now + ROUND)
        } else {
            next
        };
        self.world.now = next.max(now + Duration::from_millis(1));
        self.live();
    }

    fn live(&mut self) {
        let now = self.world.now;
        let published =
            Arc::new(self.publication().keys.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
        for node in self.nodes.values_mut() {
            if let Life::Draining(until) = node.life
                && now >= until
            {
                node.life = Life::Away(now + ABSENCE);
            }
            if let Life::Away(until) = node.life
                && now >= until
            {
                node.file = Arc::clone(&published);
                node.life = Life::Serving;
                node.restarts += 1;
            }
        }
    }

    /// Every node is asked all the time, so what it said is never old.
    fn ask(&mut self) {
        let now = self.world.now;
        let keys = &self.document().keys;
        let questions: Vec<_> =
            keys.iter().filter(|key| key.erased_at.is_none()).map(|key| key.id.clone()).collect();
        let mut asked = std::mem::take(&mut self.fleet().nodes);
        for (name, seen) in &mut asked {
            let real = &self.nodes[name];
            if matches!(real.life, Life::Away(_)) {
                *seen = Node {
                    trouble: Some("it does not answer".to_owned()),
                    gone_at: Some(now),
                    ..Node::default()
                };
                continue;
            }
            seen.trouble = None;
            seen.answering_since.get_or_insert(now);
            for id in &questions {
                let verdict = if real.file.contains(id) { Verdict::Accepted } else { Verdict::Refused };
                match seen.answers.get_mut(id).filter(|answer| answer.verdict == verdict) {
                    Some(answer) => answer.asked_at = now,
                    None => {
                        seen.answers.insert(id.clone(), Answer { verdict, since: now, asked_at: now });
                    }
                }
            }
        }
        self.fleet().nodes = asked;
    }

    fn carry_out(&mut self, action: &Action) {
        let now = self.world.now;
        match action {
            Action::Save { change, .. } => self.save(change),
            Action::Publish { wanted, .. } => {
                self.world.publications.insert(PUBLISHER.to_owned(), Observed::Fresh(wanted.clone()));
            }
            Action::Roll { change } => {
                let fleet = self.fleet();
                let (version, rollout) = fleet.rollout.fresh().expect("a rollout");
                let next = rollout::apply(rollout, change, &fleet.me, now).expect("what was planned");
                fleet.rollout = Observed::Fresh((version + 1, next));
            }
            Action::Restart { node, generation, .. } => {
                let node = node.as_ref().expect("nodes are restarted one by one here");
                let until = now + self.drain;
                self.nodes.get_mut(node).expect("a node").life = Life::Draining(until);
                self.fleet().orders.insert(*generation, Order::Done);
            }
            Action::Purge { standby, .. } => {
                let standby: BTreeSet<_> = standby.iter().collect();
                self.keyset().standby.retain(|id, _| !standby.contains(id));
            }
            Action::PublishClient { .. } => unreachable!("nobody reads one key here"),
        }
    }

    fn save(&mut self, change: &Change) {
        let now = self.world.now;
        let fresh: Vec<_> = (self.made..self.made + change.creates())
            .map(|number| KeyId::new(format!("API{number:05}")))
            .collect();
        self.made += fresh.len();
        let secrets = self.keyset().standby.keys().map(|id| (id.clone(), secret(id))).collect();
        let write = WriteId(format!("{}", self.document().seq));
        let material = Material { write, fresh: fresh.clone(), secrets };
        let next = apply(self.document(), change, now, material).expect("what was planned");
        let keyset = self.keyset();
        keyset.document = Observed::Fresh(Arc::new(next));
        keyset.versions.current += 1;
        keyset.standby.extend(fresh.iter().map(|id| (id.clone(), standby(id))));
    }

    /// The share of LiveKit's own tokens that a node refuses, both drawn evenly: of seven keys at most, a node signs
    /// with the first of its file (9 - n) times in eight and with each other once.
    fn missed(&self) -> f64 {
        let mut kinds: Vec<(&Arc<Vec<KeyId>>, f64)> = Vec::new();
        let serving = self.nodes.values().filter(|node| !matches!(node.life, Life::Away(_)));
        for node in serving {
            match kinds.iter_mut().find(|(file, _)| Arc::ptr_eq(file, &node.file) || **file == node.file) {
                Some((_, count)) => *count += 1.0,
                None => kinds.push((&node.file, 1.0)),
            }
        }
        let all: f64 = kinds.iter().map(|(_, count)| count).sum();
        let mut missed = 0.0;
        for (made_by, makers) in &kinds {
            for (asked, askers) in &kinds {
                let unknown = made_by.iter().enumerate().filter(|(_, id)| !asked.contains(id));
                let share = |(place, _): (usize, &KeyId)| match place {
                    0 => (9.0 - made_by.len() as f64) / 8.0,
                    _ => 1.0 / 8.0,
                };
                missed += unknown.map(share).sum::<f64>() * makers * askers;
            }
        }
        missed / (all * all)
    }
}

fn secret(id: &KeyId) -> Secret {
    Secret::new(format!("{id} has this secret and no other one"))
}

fn standby(id: &KeyId) -> Standby {
    Standby { secret: Some(secret(id)), seen_at_seq: 0 }
}
