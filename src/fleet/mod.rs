//! LiveKit's nodes, asked all the time which keys they know.
//!
//! A node reads its keys when it starts, so a file that was written proves
//! nothing: only the node's own answer does. Questions are not a step of any
//! plan; they go on by themselves, and the planner reads what came of them.

mod answer;
mod lookup;
mod metrics;
mod moment;
mod prober;
mod record;
mod rounds;
mod source;
mod token;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Node, Verdict};
use livekit_keyd_core::secret::Secret;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

pub use metrics::FleetMetrics;
pub use source::{DnsName, Endpoint, Source};

use crate::random;
use moment::Moment;
use prober::Prober;
use record::Record;

/// Whom to ask, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSettings {
    /// Where nodes are.
    pub nodes: Vec<Source>,
    /// The time between two rounds of questions to a node.
    pub probe_interval: Duration,
    /// What comes later than this is no answer.
    pub probe_timeout: Duration,
}

impl FleetSettings {
    /// How old an answer may be that proves something: one round may be missed.
    pub fn fresh_for(&self) -> Duration {
        2 * self.probe_interval + 2 * self.probe_timeout
    }

    /// How long a node is doubted that contradicted itself.
    fn doubted_for(&self) -> Duration {
        2 * self.fresh_for()
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.nodes.iter().filter_map(|source| match source {
            Source::Node(endpoint) => Some(endpoint),
            Source::Name(_) => None,
        })
    }
}

/// Keys with their secrets, as far as these are known.
type Keys = BTreeMap<KeyId, Option<Secret>>;

/// Asks the nodes, and knows what they said.
pub struct Watcher {
    settings: FleetSettings,
    prober: Prober,
    metrics: FleetMetrics,
    orders: watch::Sender<Orders>,
    seen: Mutex<Seen>,
}

/// What those who ask are told.
#[derive(Clone, Default)]
struct Orders {
    keys: Arc<Keys>,
    hurried: bool,
}

struct Seen {
    records: BTreeMap<String, Record>,
    unresolved: BTreeMap<String, String>,
}

impl Watcher {
    /// Knows nothing of any node yet, which it says.
    ///
    /// # Errors
    /// The system's certificates cannot be used, which nodes at https need.
    pub fn new(settings: FleetSettings, metrics: FleetMetrics) -> Result<Watcher, reqwest::Error> {
        let records = settings.endpoints().map(|node| (node.address.clone(), Record::new())).collect();
        let names = settings.nodes.iter().filter(|source| matches!(source, Source::Name(_)));
        let unresolved = names
            .map(|name| (name.as_str().to_owned(), "it has not been looked up yet".to_owned()))
            .collect();
        Ok(Watcher {
            prober: Prober::new(&settings)?,
            settings,
            metrics,
            orders: watch::Sender::new(Orders::default()),
            seen: Mutex::new(Seen { records, unresolved }),
        })
    }

    /// Asks until told to stop; `changed` is rung whenever a verdict, a trouble or the set of nodes changed.
    pub async fn run(self: Arc<Self>, changed: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let (tell, mut found) = mpsc::channel(1);
        let mut places: Vec<BTreeSet<Endpoint>> = vec![BTreeSet::new(); self.settings.nodes.len()];
        for (index, source) in self.settings.nodes.iter().enumerate() {
            if let Some((host, port)) = source.name() {
                let watcher = Arc::clone(&self);
                let pause = move || random::jitter(watcher.pause(0));
                tasks.spawn(lookup::keep_looking(host.to_owned(), port, index, tell.clone(), pause));
            } else if let Source::Node(endpoint) = source {
                places[index].insert(endpoint.clone());
            }
        }
        let mut watched = BTreeMap::new();
        loop {
            self.follow(places.iter().flatten(), &mut watched, &mut tasks, &changed);
            let (index, answer) = tokio::select! {
                answer = found.recv() => match answer {
                    Some(answer) => answer,
                    None => return,
                },
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match &self.settings.nodes[index] {
                Source::Node(endpoint) => {
                    if let Some((host, _)) = endpoint.name() {
                        self.prober.learn(host, answer);
                    }
                    places[index].insert(endpoint.clone());
                }
                Source::Name(name) => {
                    let answer = answer.map(|all| all.into_iter().filter_map(Endpoint::of).collect());
                    let why = answer.as_ref().err().cloned();
                    // Who gives no address now may give the old ones again: their nodes are asked on.
                    if let Ok(endpoints) = answer {
                        places[index] = endpoints;
                    }
                    self.resolved(&name.written, why, &changed);
                }
            }
        }
    }

    /// What to ask about from now on; what is new is asked about at once.
    ///
    /// A key without a secret is asked about with a random one: a mismatch then means that its id is known.
    pub fn ask_about(&self, keys: BTreeMap<KeyId, Option<Secret>>) {
        let mut before = Arc::default();
        let is_new = self.orders.send_if_modified(|orders| {
            let is_new = *orders.keys != keys;
            if is_new {
                before = std::mem::replace(&mut orders.keys, Arc::new(keys));
            }
            is_new
        });
        if !is_new {
            return;
        }
        let keys = Arc::clone(&self.orders.borrow().keys);
        let same = |id: &KeyId| keys.get(id).is_some_and(|secret| before.get(id) == Some(secret));
        let mut seen = self.lock();
        for (address, record) in &mut seen.records {
            let old = self.verdicts(record);
            record.keep(same);
            self.metrics.says(address, &old, &self.verdicts(record));
        }
    }

    /// Ask every node each second, as one is being restarted.
    pub fn hurry(&self, hurried: bool) {
        self.orders.send_if_modified(|orders| std::mem::replace(&mut orders.hurried, hurried) != hurried);
    }

    /// What the nodes said, by address; and the names that give no addresses, with why.
    pub fn seen(&self) -> (BTreeMap<String, Node>, BTreeMap<String, String>) {
        let (now, doubted_for) = (Moment::now(), self.settings.doubted_for());
        let seen = self.lock();
        let nodes =
            seen.records.iter().map(|(address, record)| (address.clone(), record.node(now, doubted_for)));
        (nodes.collect(), seen.unresolved.clone())
    }

    /// Begins to ask nodes that are new, and drops those that are gone.
    fn follow<'a>(
        self: &Arc<Self>,
        endpoints: impl Iterator<Item = &'a Endpoint>,
        watched: &mut BTreeMap<Endpoint, AbortHandle>,
        tasks: &mut JoinSet<()>,
        changed: &Arc<Notify>,
    ) {
        let endpoints: BTreeSet<_> = endpoints.collect();
        let mut seen = self.lock();
        watched.retain(|endpoint, task| {
            let stays = endpoints.contains(endpoint);
            if !stays {
                task.abort();
                if let Some(record) = seen.records.remove(&endpoint.address) {
                    self.metrics.says(&endpoint.address, &self.verdicts(&record), &BTreeMap::new());
                }
                tracing::info!(node = endpoint.address, "no name leads to this node any more");
                changed.notify_one();
            }
            stays
        });
        for endpoint in endpoints {
            if !watched.contains_key(endpoint) {
                seen.records.entry(endpoint.address.clone()).or_insert_with(Record::new);
                let task = tasks.spawn(Arc::clone(self).watch(endpoint.clone(), Arc::clone(changed)));
                watched.insert(endpoint.clone(), task);
                changed.notify_one();
            }
        }
        self.count(&seen);
    }

    fn resolved(&self, name: &str, why: Option<String>, changed: &Notify) {
        let mut seen = self.lock();
        let before = match &why {
            Some(why) => seen.unresolved.insert(name.to_owned(), why.clone()),
            None => seen.unresolved.remove(name),
        };
        if before != why {
            if let Some(why) = why {
                tracing::warn!(name, "this name gives no nodes, so nothing is proven: {why}");
            }
            changed.notify_one();
        }
    }

    /// Changes what is known of a node, and rings if that matters to anybody.
    fn update(&self, endpoint: &Endpoint, changed: &Notify, change: impl FnOnce(&mut Record)) {
        let mut seen = self.lock();
        // Dropped while it was being asked.
        let Some(record) = seen.records.get_mut(&endpoint.address) else { return };
        let now = Moment::now();
        let trouble = |record: &Record| record.trouble(now, self.settings.doubted_for());
        let before = (self.verdicts(record), trouble(record));
        change(record);
        let after = (self.verdicts(record), trouble(record));
        // Not only when they differ: doubt ends by itself.
        self.metrics.says(&endpoint.address, &before.0, &after.0);
        if before != after {
            if before.1 != after.1 {
                match &after.1 {
                    Some(trouble) => tracing::warn!(node = endpoint.address, "{trouble}"),
                    None => tracing::info!(node = endpoint.address, "the node answers"),
                }
            }
            changed.notify_one();
        }
        self.count(&seen);
    }

    fn count(&self, seen: &Seen) {
        let now = Moment::now();
        let trouble = |record: &Record| record.trouble(now, self.settings.doubted_for());
        let state = |record| trouble(record).map_or("answering", |trouble| trouble.kind());
        self.metrics.count(seen.records.values().map(state));
        let differences = seen.records.values().map(Record::clock_difference);
        self.metrics.clocks(differences.max().unwrap_or_default());
    }

    /// What is known of a node's keys; of one that is not to be believed nothing is.
    fn verdicts(&self, record: &Record) -> BTreeMap<KeyId, Verdict> {
        record.verdicts(Moment::now(), self.settings.doubted_for())
    }

    fn said(&self, endpoint: &Endpoint, id: &KeyId) -> Option<Verdict> {
        self.lock().records.get(&endpoint.address)?.verdict(id)
    }

    fn unanswered(&self, endpoint: &Endpoint, keys: &Keys) -> Keys {
        let seen = self.lock();
        let Some(record) = seen.records.get(&endpoint.address) else { return Keys::new() };
        let unanswered = keys.iter().filter(|(id, _)| record.verdict(id).is_none());
        unanswered.map(|(id, secret)| (id.clone(), secret.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
