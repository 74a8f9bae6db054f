//! LiveKit's nodes, asked all the time which keys they know.
//!
//! A node reads its keys when it starts, so a file that was written proves
//! nothing: only the node's own answer does. Questions are not a step of any
//! plan; they go on by themselves, and the planner reads what came of them.

mod answer;
mod lookup;
mod metrics;
mod moment;
mod places;
mod prober;
mod record;
mod rounds;
mod seen;
mod source;
mod token;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Node;
use livekit_keyd_core::secret::Secret;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

pub(crate) use answer::clock_difference;
pub use metrics::FleetMetrics;
pub use source::{DnsName, Endpoint, Source};

use crate::random;
use places::Places;
use prober::Prober;
use record::Record;
use seen::Seen;

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

impl Watcher {
    /// Knows nothing of any node yet, which it says.
    ///
    /// # Errors
    /// The system's certificates cannot be used, which nodes at https need.
    pub fn new(settings: FleetSettings, metrics: FleetMetrics) -> Result<Watcher, reqwest::Error> {
        Ok(Watcher {
            prober: Prober::new(&settings)?,
            seen: Mutex::new(Seen::new(&settings, metrics.clone())),
            settings,
            metrics,
            orders: watch::Sender::new(Orders::default()),
        })
    }

    /// Asks until told to stop; `changed` is rung whenever a verdict, a trouble or the set of nodes changed.
    pub async fn run(self: Arc<Self>, changed: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let (mut tasks, mut watched) = (JoinSet::new(), BTreeMap::new());
        let (tell, mut told) = mpsc::channel(1);
        for (index, source) in self.settings.nodes.iter().enumerate() {
            let Some((host, port)) = source.name() else { continue };
            let watcher = Arc::clone(&self);
            let pause = move || random::jitter(watcher.pause(0));
            tasks.spawn(lookup::keep_looking(host.to_owned(), port, index, tell.clone(), pause));
        }
        let mut places = Places::new(&self.settings.nodes);
        self.follow(&places.endpoints(), &mut watched, &mut tasks, &changed);
        loop {
            let (index, found) = tokio::select! {
                told = told.recv() => match told {
                    Some(told) => told,
                    None => return,
                },
                _ = stop.wait_for(|stop| *stop) => return,
            };
            places.found(index, &found);
            let source = &self.settings.nodes[index];
            let why = found.as_ref().err().cloned();
            if let Source::Node(endpoint) = source {
                self.prober.learn(endpoint, found);
            }
            // A name is known only when its nodes are.
            self.follow(&places.endpoints(), &mut watched, &mut tasks, &changed);
            if let Source::Name(name) = source
                && self.lock().resolved(&name.written, why)
            {
                changed.notify_one();
            }
            // Those that ask nodes which are gone have ended.
            while tasks.try_join_next().is_some() {}
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
        self.lock().keep(|id| keys.get(id).is_some_and(|secret| before.get(id) == Some(secret)));
    }

    /// Ask every node each second, as one is being restarted.
    pub fn hurry(&self, hurried: bool) {
        self.orders.send_if_modified(|orders| std::mem::replace(&mut orders.hurried, hurried) != hurried);
    }

    /// What the nodes said, by address; and the names that give no addresses, with why.
    pub fn seen(&self) -> (BTreeMap<String, Node>, BTreeMap<String, String>) {
        self.lock().told()
    }

    /// Waits until every name was looked up and every node has said something to every key or is in trouble.
    pub async fn settled(&self) {
        const LOOK: Duration = Duration::from_millis(20);
        loop {
            let keys = Arc::clone(&self.orders.borrow().keys);
            if self.lock().is_settled(&keys) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Begins to ask nodes that are new, and drops those that are gone.
    fn follow(
        self: &Arc<Self>,
        endpoints: &BTreeSet<&Endpoint>,
        watched: &mut BTreeMap<Endpoint, AbortHandle>,
        tasks: &mut JoinSet<()>,
        changed: &Arc<Notify>,
    ) {
        watched.retain(|endpoint, task| {
            let stays = endpoints.contains(endpoint);
            if !stays {
                task.abort();
            }
            stays
        });
        // Those that are looked up for the first time are known, and not asked yet.
        let known = self.settings.endpoints().chain(endpoints.iter().copied());
        if self.lock().are(&known.map(|endpoint| endpoint.address.as_str()).collect()) {
            changed.notify_one();
        }
        for endpoint in endpoints {
            if !watched.contains_key(*endpoint) {
                let task = tasks.spawn(Arc::clone(self).watch((*endpoint).clone(), Arc::clone(changed)));
                watched.insert((*endpoint).clone(), task);
            }
        }
    }

    /// Changes what is known of a node, and rings if that matters to anybody.
    fn update(&self, endpoint: &Endpoint, changed: &Notify, change: impl FnOnce(&mut Record)) {
        if self.lock().change(&endpoint.address, change) {
            changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
