//! What is: the store, the publications, the nodes, the signers, and what was ever signed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{ClientKey, Publication};
use livekit_keyd_core::rollout::Rollout;
use livekit_keyd_core::rules::Rules;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::snapshot::Snapshot;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::watermark::Watermark;

use super::dependents::Dependent;
use super::fleet::{Node, StoredRollout};
use super::random::Random;
use super::restored::Backup;
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

/// A change of something outside of a process.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Standby { keyset: String, id: KeyId, secret: Secret },
    Remove { keyset: String, id: KeyId },
    Document { keyset: String, expected: u64, document: Arc<Document>, what: String },
    Destroy { keyset: String, versions: Vec<u64> },
    Publication { publisher: String, there: Publication, wanted: Publication },
    Client { keyset: String, there: ClientKey, wanted: ClientKey },
    Rollout { expected: u64, rollout: Rollout },
}

/// What a process learns of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Landed,
    Conflict,
    /// No answer: it may have landed, it may land later, or never.
    Unknown,
}

#[derive(Clone)]
pub(crate) struct InFlight {
    pub(crate) write: Write,
    pub(crate) answer: Option<Rc<Cell<Option<Outcome>>>>,
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
        let half = if setup.faults { setup.rules.clock_skew.as_millis() as i64 / 2 } else { 0 };
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
        let half = if self.faults { self.setup.rules.clock_skew.as_millis() as i64 / 2 } else { 0 };
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
        if self.violation.is_none() {
            self.note(format!("VIOLATION of {invariant}: {what}"));
            self.violation = Some(Violation { invariant, what });
        }
    }

    pub(crate) fn document(&self, keyset: &str) -> Option<&Arc<Document>> {
        self.shelves.get(keyset).and_then(Shelf::document)
    }

    /// Carries a write out, if what it expects is there.
    pub(crate) fn land(&mut self, write: Write) -> Outcome {
        match write {
            Write::Standby { keyset, id, secret } => {
                self.shelf(&keyset).standby.insert(id, secret);
            }
            Write::Remove { keyset, id } => {
                self.shelf(&keyset).standby.remove(&id);
            }
            Write::Document { keyset, expected, document, what } => {
                let blind = self.mutated(Mutation::WritesBlindly);
                if self.shelf(&keyset).version() != expected && !blind {
                    return Outcome::Conflict;
                }
                self.note(format!("{keyset} seq {}: {what}", document.seq));
                let before = self.document(&keyset).cloned();
                self.check_document_change(before.as_deref(), &document);
                self.shelf(&keyset).versions.push(Some(document));
            }
            Write::Destroy { keyset, versions } => {
                let shelf = self.shelf(&keyset);
                for version in versions {
                    shelf.versions[version as usize - 1] = None;
                }
            }
            Write::Publication { publisher, there, wanted } => {
                let blind = self.mutated(Mutation::PublishesBlindly);
                if self.publisher(&publisher).holds != there && !blind {
                    return Outcome::Conflict;
                }
                self.replace(&publisher, wanted);
            }
            Write::Client { keyset, there, wanted } => {
                if self.clients.get(&keyset) != Some(&there) {
                    return Outcome::Conflict;
                }
                self.check_client_change(&keyset, &there, &wanted);
                let given = wanted.key.as_ref().map(|(id, _)| id.as_str());
                self.note(format!(
                    "dependents of {keyset} are given {given:?}, dated {:?}",
                    wanted.changed_at
                ));
                self.clients.insert(keyset, wanted);
            }
            Write::Rollout { expected, rollout } => {
                if self.rollout.version != expected {
                    return Outcome::Conflict;
                }
                let restarting = rollout.restarting.as_ref().map(|restart| (&restart.node, &restart.by));
                self.note(format!("rollout {}: {restarting:?}", rollout.generation));
                self.rollout = StoredRollout { version: self.rollout.version + 1, rollout };
            }
        }
        self.writes += 1;
        Outcome::Landed
    }

    fn replace(&mut self, name: &str, wanted: Publication) {
        let there = self.publisher(name).holds.clone();
        self.check_publication_change(name, &there, &wanted);
        let changed = !wanted.same_keys(&there);
        if changed && !self.setup.proven {
            let deadline = self.now + self.rules.publish_delay.as_millis() as i64;
            for node in self.nodes.iter_mut().filter(|node| node.publisher == name) {
                node.deadline.get_or_insert(deadline);
            }
        }
        let ids: Vec<_> = wanted.keys.iter().map(|(id, _)| id.to_string()).collect();
        let verb = if changed { "holds" } else { "is renewed:" };
        self.note(format!("{name} {verb} {} of {:?}", ids.join(" "), wanted.vector.0));
        let publisher = self.publisher(name);
        if changed {
            publisher.before = there;
        }
        publisher.holds = wanted;
        publisher.writes += 1;
        publisher.changes += usize::from(changed);
        // Nodes that read at once have read.
        self.advance_to(self.now);
    }

    /// The configuration gets other rules, under a higher number.
    pub(crate) fn configure(&mut self) {
        let [shorter, longer] = [90, 120].map(Duration::from_secs);
        let overlap = if self.rules.overlap == shorter { longer } else { shorter };
        self.rules = Rules { overlap, ..self.rules.clone() };
        self.revision += 1;
    }

    pub(crate) fn lose_standby(&mut self, keyset: &str, id: &KeyId) {
        self.note(format!("the store loses the secret of {id}"));
        self.writes += 1;
        let shelf = self.shelf(keyset);
        shelf.standby.remove(id);
        shelf.lost.insert(id.clone());
    }

    fn publisher(&mut self, name: &str) -> &mut Publisher {
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

/// What processes share: the world, one event at a time.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Rc<RefCell<State>>);

impl Shared {
    /// Looks at the world or changes it, in no time.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.borrow_mut())
    }

    /// Lets others act first, and time pass.
    pub(crate) async fn turn(&self) {
        let mut waited = false;
        std::future::poll_fn(move |_| {
            if waited {
                return std::task::Poll::Ready(());
            }
            waited = true;
            std::task::Poll::Pending
        })
        .await;
    }

    pub(crate) fn read_fails(&self) -> bool {
        self.with(|state| state.faults && state.random.chance(20))
    }

    /// Writes something, or so it hopes.
    pub(crate) async fn write(&self, write: Write) -> Outcome {
        self.turn().await;
        let fate = self.with(|state| if state.faults { state.random.below(100) } else { 99 });
        match fate {
            0..2 => Outcome::Unknown,
            2..5 => {
                self.with(|state| state.land(write));
                Outcome::Unknown
            }
            5..8 => {
                self.with(|state| state.in_flight.push(InFlight { write, answer: None }));
                Outcome::Unknown
            }
            8..25 => {
                let answer = Rc::new(Cell::new(None));
                let sent = InFlight { write, answer: Some(Rc::clone(&answer)) };
                self.with(|state| state.in_flight.push(sent));
                loop {
                    self.turn().await;
                    if let Some(outcome) = answer.get() {
                        return outcome;
                    }
                }
            }
            _ => self.with(|state| state.land(write)),
        }
    }
}
