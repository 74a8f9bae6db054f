//! What is: the store, the publications, the nodes, the signers, and what was ever signed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{ClientKey, Publication};
use livekit_keyd_core::rules::Rules;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::snapshot::Snapshot;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::watermark::Watermark;

use super::dependents::Dependent;
use super::fleet::{Node, StoredRollout};
use super::random::Random;
use super::restored::Backup;
use super::write::InFlight;
use super::{Mutation, Setup};

/// A broken invariant, by its number in the design; 0 is a rule that is not alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: u8,
    pub(crate) what: String,
}

/// A keyset's part of the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// The document's versions from 1 on; `None` when destroyed.
    pub(crate) versions: Vec<Option<Arc<Document>>>,
    pub(crate) standby: BTreeMap<KeyId, Secret>,
    /// Standbys whose secret the store lost by itself.
    pub(crate) lost: BTreeSet<KeyId>,
}

impl Shelf {
    pub(crate) fn document(&self) -> Option<&Arc<Document>> {
        self.versions.last().and_then(Option::as_ref)
    }

    pub(crate) fn version(&self) -> u64 {
        self.versions.len() as u64
    }

    /// The older versions that can still be read, the newest first.
    pub(crate) fn older(&self) -> Vec<u64> {
        let older = self.versions.iter().enumerate().rev().skip(1);
        older.filter(|(_, version)| version.is_some()).map(|(index, _)| index as u64 + 1).collect()
    }
}

/// A place that nodes read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publisher {
    pub(crate) holds: Publication,
    /// Whether it went back with the store, and was not replaced since.
    pub(crate) is_old: bool,
    /// What it held before its keys changed last.
    pub(crate) before: Publication,
    /// How often it was written.
    pub(crate) writes: usize,
    /// How often the set of keys changed, each of which costs the nodes a restart.
    pub(crate) changes: usize,
}

#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) keyset: String,
    pub(crate) offset: i64,
    pub(crate) in_touch: bool,
    pub(crate) document: Option<Arc<Document>>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) mark: Option<Watermark>,
    pub(crate) compromised: BTreeSet<KeyId>,
    /// When the last good answer was asked for, by a clock that nobody sets.
    pub(crate) asked_at: i64,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) setup: Rc<Setup>,
    /// The true time, in milliseconds since the epoch.
    pub(crate) now: i64,
    pub(crate) random: Random,
    pub(crate) faults: bool,
    /// What configurations say now, and under which number.
    pub(crate) rules: Rules,
    pub(crate) revision: u64,
    pub(crate) shelves: BTreeMap<String, Shelf>,
    pub(crate) publishers: BTreeMap<String, Publisher>,
    pub(crate) foreign: BTreeSet<KeyId>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rollout: StoredRollout,
    pub(crate) signers: Vec<Signer>,
    pub(crate) dependents: Vec<Dependent>,
    /// What dependents are given, by keyset; none where nobody reads one key.
    pub(crate) clients: BTreeMap<String, ClientKey>,
    pub(crate) backup: Backup,
    /// Keys that a document took out, also one that the store has forgotten since.
    pub(crate) given_up: BTreeSet<KeyId>,
    pub(crate) in_flight: Vec<InFlight>,
    /// The last expiry of any token, in seconds, by keyset and key.
    pub(crate) tokens: BTreeMap<(String, KeyId), i64>,
    /// The same of those that dependents made.
    pub(crate) given: BTreeMap<(String, KeyId), i64>,
    /// When a keyset without a usable key got one.
    pub(crate) began_at: BTreeMap<String, i64>,
    pub(crate) made: u64,
    /// How many writes landed.
    pub(crate) writes: u64,
    pub(crate) steps: BTreeMap<&'static str, usize>,
    pub(crate) trace: VecDeque<String>,
    /// Whether nothing is kept of what happened.
    pub(crate) quiet: bool,
    pub(crate) violation: Option<Violation>,
}

/// How much of what happened is kept for a failure's message.
const REMEMBERED: usize = 120;

impl State {
    pub(crate) fn new(setup: &Setup) -> State {
        let mut random = Random::new(setup.seed);
        let half = setup.clock_error();
        let keysets: Vec<_> = (0..setup.keysets).map(|n| format!("set{n}")).collect();
        let names: Vec<_> = (0..setup.publishers).map(|n| format!("keys{n}")).collect();
        let nodes = (0..setup.nodes)
            .map(|n| Node::new(n, names[n % names.len()].clone(), random.between(-half, half)));
        let nodes: Vec<_> = nodes.collect();
        let signers: Vec<_> = (0..setup.signers)
            .map(|n| Signer {
                keyset: keysets[n % keysets.len()].clone(),
                offset: random.between(-half, half),
                in_touch: true,
                document: None,
                snapshot: None,
                mark: None,
                compromised: BTreeSet::new(),
                asked_at: 0,
            })
            .collect();
        let dependents = (0..setup.dependents).map(|n| Dependent {
            keyset: keysets[n % keysets.len()].clone(),
            offset: random.between(-half, half),
            key: None,
        });
        State {
            signers,
            dependents: dependents.collect(),
            clients: keysets
                .iter()
                .take(setup.dependents)
                .map(|name| (name.clone(), ClientKey::default()))
                .collect(),
            backup: Backup::default(),
            given_up: BTreeSet::new(),
            nodes,
            rollout: StoredRollout::default(),
            setup: Rc::new(setup.clone()),
            now: setup.start.as_millis(),
            random,
            faults: setup.faults,
            rules: setup.rules.clone(),
            revision: 1,
            shelves: keysets.into_iter().map(|name| (name, Shelf::default())).collect(),
            publishers: names.into_iter().map(|name| (name, Publisher::default())).collect(),
            foreign: BTreeSet::new(),
            in_flight: Vec::new(),
            tokens: BTreeMap::new(),
            given: BTreeMap::new(),
            began_at: BTreeMap::new(),
            made: 0,
            writes: 0,
            steps: BTreeMap::new(),
            trace: VecDeque::new(),
            quiet: false,
            violation: None,
        }
    }

    pub(crate) fn mutated(&self, mutation: Mutation) -> bool {
        self.setup.mutation == mutation
    }

    /// What a clock says that is so far off.
    pub(crate) fn clock(&self, offset: i64) -> Time {
        Time::from_millis(self.now + offset)
    }

    /// How far off a process's clock is.
    pub(crate) fn new_offset(&mut self) -> i64 {
        let half = if self.faults { self.setup.clock_error() } else { 0 };
        self.random.between(-half, half)
    }

    pub(crate) fn new_name(&mut self) -> String {
        self.made += 1;
        format!("{:04}", self.made)
    }

    pub(crate) fn new_key(&mut self) -> (KeyId, Secret) {
        let id = KeyId::new(format!("API{}", self.new_name()));
        let secret = secret_of(&id);
        (id, secret)
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        if self.quiet {
            return;
        }
        let line = format!("{} {}", Time::from_millis(self.now), line.into());
        self.trace.push_back(line);
        if self.trace.len() > REMEMBERED {
            self.trace.pop_front();
        }
    }

    /// Only the first counts: what comes after may follow from it.
    pub(crate) fn violate(&mut self, invariant: u8, what: String) {
        if self.violation.is_none() && !self.setup.forgiven.contains(&invariant) {
            self.note(format!("VIOLATION of {invariant}: {what}"));
            self.violation = Some(Violation { invariant, what });
        }
    }

    pub(crate) fn document(&self, keyset: &str) -> Option<&Arc<Document>> {
        self.shelves.get(keyset).and_then(Shelf::document)
    }

    pub(super) fn publisher(&mut self, name: &str) -> &mut Publisher {
        self.publishers.get_mut(name).expect("a publisher of this world")
    }

    pub(crate) fn shelf(&mut self, keyset: &str) -> &mut Shelf {
        self.shelves.get_mut(keyset).expect("a keyset of this world")
    }

    /// Nodes change by themselves, so time stops where one does.
    pub(crate) fn advance_to(&mut self, target: i64) {
        while let Some((index, at)) = self.next_change_of_node().filter(|(_, at)| *at <= target) {
            self.now = at.max(self.now);
            self.change_node(index);
        }
        self.now = self.now.max(target);
    }

    pub(crate) fn age(&self, signer: &Signer) -> Duration {
        Duration::from_millis((self.now - signer.asked_at).unsigned_abs())
    }
}

/// Each id has one secret for ever, so that one under another's name would show.
pub(crate) fn secret_of(id: &KeyId) -> Secret {
    Secret::new(format!("{id} has this secret and no other one"))
}
