//! Nodes that are asked, restarted, drained and sometimes back with an old file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{self, Answer, Verdict};
use livekit_keyd_core::rollout::Rollout;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;

use super::Mutation;
use super::state::State;

/// How long a restarted node drains at most, and how long it is then away, in milliseconds.
const LONGEST_DRAIN: i64 = 20_000;
const LONGEST_ABSENCE: i64 = 5_000;
/// How long a restart may take before an operator looks, well after the alarm.
const STOPPED: Duration = Duration::from_secs(240);

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Serving,
    /// It was told to stop, and still answers.
    Draining {
        until: i64,
    },
    /// It answers nothing.
    Away {
        until: i64,
    },
}

/// A LiveKit node.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) publisher: String,
    pub(crate) keys: BTreeMap<KeyId, Secret>,
    /// What it ever accepted.
    pub(crate) ever: BTreeSet<KeyId>,
    /// Without proof: by when it will have read the publication's newest keys.
    pub(crate) deadline: Option<i64>,
    pub(crate) life: Life,
    /// The highest number under which it was told to restart: the target knows what it has done already.
    pub(crate) generation: u64,
    /// When it last started.
    pub(crate) started_at: i64,
    /// Whether it read an old file at its last start.
    pub(crate) is_stale: bool,
    pub(crate) offset: i64,
}

impl Node {
    pub(crate) fn new(number: usize, publisher: String, offset: i64) -> Node {
        Node {
            name: format!("node{number}"),
            publisher,
            keys: BTreeMap::new(),
            ever: BTreeSet::new(),
            deadline: None,
            life: Life::Serving,
            generation: 0,
            started_at: 0,
            is_stale: false,
            offset,
        }
    }

    pub(crate) fn answers(&self) -> bool {
        !matches!(self.life, Life::Away { .. })
    }
}

/// The lease, with the version that check-and-set goes by.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredRollout {
    pub(crate) version: u64,
    pub(crate) rollout: Rollout,
}

impl State {
    /// A node starts anew and reads its publication, or an old copy of it.
    pub(crate) fn restart_node(&mut self, index: usize) {
        let stale = self.faults && self.setup.proven && self.random.chance(40);
        self.start_node(index, stale);
    }

    /// A node starts anew with what its publication holds, or with what it held before.
    pub(crate) fn start_node(&mut self, index: usize, stale: bool) {
        let publisher = &self.publishers[&self.nodes[index].publisher];
        let holds = if stale { &publisher.before } else { &publisher.holds };
        let keys: BTreeMap<_, _> = holds.keys.iter().cloned().collect();
        let is_old = publisher.is_old || !holds.same_keys(&publisher.holds);
        let node = &mut self.nodes[index];
        node.is_stale = is_old;
        node.ever.extend(keys.keys().cloned());
        node.keys = keys;
        node.deadline = None;
        node.life = Life::Serving;
        node.started_at = self.now;
        let line = format!(
            "{} starts with {:?}{}",
            node.name,
            node.keys.keys().map(KeyId::as_str).collect::<Vec<_>>(),
            if stale { ", an old file" } else { "" }
        );
        self.note(line);
    }

    /// What the alarm of a rollout that has stopped asks for: who ordered the restart may have died before it saw the node
    /// away, and what is published may have changed since.
    pub(crate) fn restart_by_hand(&mut self) {
        let stopped = self.rollout.rollout.restarting.as_ref();
        let stopped = stopped.filter(|restart| self.clock(0) > restart.began_at + STOPPED);
        let node = stopped.and_then(|restart| restart.node.clone());
        let serving = |node: &Node, name: &String| node.name == *name && node.life == Life::Serving;
        if let Some(index) = node.and_then(|name| self.nodes.iter().position(|node| serving(node, &name)))
            && self.nodes[index].started_at + STOPPED.as_millis() as i64 <= self.now
        {
            self.note("an operator restarts the node that the rollout waits for");
            self.restart_node(index);
        }
    }

    /// A restart is ordered by one who asked the node last at a moment: whether it counts as done. What was done under
    /// this number, or a later one, is not done again; and nothing is done to a node that started since it was asked,
    /// which is the condition at the target, as a resourceVersion is.
    pub(crate) fn order_restart(&mut self, name: &str, generation: u64, asked_at: i64) -> bool {
        let drain = self.random.between(0, LONGEST_DRAIN);
        let until = self.now + drain;
        let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) else { return false };
        if node.generation >= generation {
            return true;
        }
        if node.started_at >= asked_at {
            return false;
        }
        node.generation = generation;
        node.life = Life::Draining { until };
        self.note(format!("{name} is told to restart, {generation}"));
        let down: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.life != Life::Serving)
            .map(|node| node.name.clone())
            .collect();
        if down.len() > 1 {
            self.violate(8, format!("{} are down at once", down.join(" and ")));
        }
        true
    }

    /// The next moment at which a node changes by itself.
    pub(crate) fn next_change_of_node(&self) -> Option<(usize, i64)> {
        let changes = self.nodes.iter().enumerate().filter_map(|(index, node)| match node.life {
            Life::Draining { until } | Life::Away { until } => Some((index, until)),
            Life::Serving => Some((index, node.deadline?)),
        });
        changes.min_by_key(|(_, at)| *at)
    }

    pub(crate) fn change_node(&mut self, index: usize) {
        if let Life::Draining { .. } = self.nodes[index].life {
            let until = self.now + self.random.between(1500, LONGEST_ABSENCE);
            self.nodes[index].life = Life::Away { until };
        } else {
            self.restart_node(index);
        }
    }

    /// What a node says to each key, and what one who asks makes of it.
    pub(crate) fn ask(&mut self, index: usize, seen: &mut plan::Node, clock: Time) {
        let guesses = self.mutated(Mutation::ProvesUnasked);
        let node = &self.nodes[index];
        if !node.answers() {
            seen.trouble = Some("it does not answer".to_owned());
            seen.answering_since = None;
            seen.gone_at = Some(clock);
            if !guesses {
                return;
            }
        }
        if node.answers() {
            seen.trouble = None;
            seen.answering_since.get_or_insert(clock);
        }
        for (id, secret) in self.questions() {
            let verdict = match node.keys.get(&id) {
                _ if guesses => Verdict::Accepted,
                Some(known) if *known == secret => Verdict::Accepted,
                Some(_) => Verdict::Mismatch,
                None => Verdict::Refused,
            };
            let since = seen.answers.get(&id).filter(|answer| answer.verdict == verdict);
            let since = since.map_or(clock, |answer| answer.since);
            seen.answers.insert(id, Answer { verdict, since, asked_at: clock });
        }
        if guesses {
            seen.trouble = None;
            seen.answering_since.get_or_insert(clock);
        }
    }

    fn questions(&self) -> BTreeMap<KeyId, Secret> {
        let documents = self.shelves.values().filter_map(super::state::Shelf::document);
        let keys = documents.flat_map(|document| &document.keys).filter(|key| key.erased_at.is_none());
        keys.map(|key| (key.id.clone(), super::state::secret_of(&key.id))).collect()
    }

    /// 2: nobody commits a key that a node never accepted.
    pub(crate) fn check_commitment(&mut self, id: &KeyId) {
        let unasked = self.nodes.iter().find(|node| !node.ever.contains(id)).map(|node| node.name.clone());
        if let Some(name) = unasked.filter(|_| self.setup.proven) {
            self.violate(2, format!("{id} is committed, and {name} never accepted it"));
        }
    }
}
