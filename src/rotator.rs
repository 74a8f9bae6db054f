//! The rotator: observe, plan, do the first step, and again.
//!
//! It remembers nothing that matters, so it may be killed between any two lines
//! of its log, and any number of them may run side by side without a leader.

mod create;
mod execute;
mod metrics;
mod observe;
mod operate;
mod protection;
mod restore;
mod revoke;
mod rollout;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{self, LONGEST_SLEEP, Plan, Step, World};
use tokio::sync::{Notify, watch};

pub use create::{Imported, Initialized};
pub use metrics::RotatorMetrics;
pub use operate::Refusal;
pub use revoke::{Revoked, Target};
pub use rollout::Deployment;

use crate::audit::Trail;
use crate::clock;
use crate::conditions::{Conditions, Finding};
use crate::keyset::Keyset;
use crate::publish::{ClientPublisher, PublishError, Publisher};
use crate::random;
use crate::signer::Signer;
use crate::store::Store;

/// The most steps in a row before a rotator pauses, should two of them ever undo each other's work.
const MOST_STEPS: usize = 64;
/// The pause after another rotator was quicker.
const AFTER_A_LOST_RACE: Duration = Duration::from_millis(50);
/// The pause after a step that failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(2);

/// What a rotator saw and planned last.
pub struct Outlook {
    /// What it saw.
    pub world: World,
    /// What follows.
    pub plan: Plan,
}

/// All that a rotator works with.
pub struct Rotator {
    /// Where documents lie.
    pub store: Arc<Store>,
    /// Configured keysets; a reload swaps them.
    pub keysets: Arc<ArcSwap<Vec<Keyset>>>,
    /// Each keyset's signer, which also knows whether the store went back.
    pub signers: Arc<BTreeMap<String, Arc<Signer>>>,
    /// Where LiveKit reads.
    pub publishers: Vec<Publisher>,
    /// Client credentials by keyset, where they are published.
    pub clients: BTreeMap<String, ClientPublisher>,
    /// The nodes, where it is by their own answers that it is known whether they know a key.
    pub deployment: Option<Deployment>,
    /// What is wrong now.
    pub conditions: Arc<Conditions>,
    /// Counted for Prometheus.
    pub metrics: RotatorMetrics,
    /// Where changes of keys are written down.
    pub trail: Option<Arc<Trail>>,
    state: State,
}

/// What a rotator keeps between two looks, none of which it needs.
#[derive(Default)]
struct State {
    /// One plan at a time is carried out in this process.
    turn: tokio::sync::Mutex<()>,
    poke: Notify,
    outlook: ArcSwapOption<Outlook>,
    /// The document's seq at the look after a secret beside it was first seen; none yet until that look.
    first_seen: Mutex<BTreeMap<(String, KeyId), Option<u64>>>,
    /// Since when something cannot be read.
    unreadable_since: Mutex<BTreeMap<String, livekit_keyd_core::time::Time>>,
}

impl Rotator {
    /// Ready to run.
    pub fn new(
        store: Arc<Store>,
        keysets: Arc<ArcSwap<Vec<Keyset>>>,
        signers: Arc<BTreeMap<String, Arc<Signer>>>,
        publishers: Vec<Publisher>,
        deployment: Option<Deployment>,
        conditions: Arc<Conditions>,
        metrics: RotatorMetrics,
    ) -> Rotator {
        Rotator {
            store,
            keysets,
            signers,
            publishers,
            clients: BTreeMap::new(),
            deployment,
            conditions,
            metrics,
            trail: None,
            state: State::default(),
        }
    }

    /// With the client credentials that it publishes, by keyset.
    pub fn with_clients(self, clients: BTreeMap<String, ClientPublisher>) -> Rotator {
        Rotator { clients, ..self }
    }

    /// With a trail where changes of keys are written down, or none.
    pub fn with_trail(self, trail: Option<Arc<Trail>>) -> Rotator {
        Rotator { trail, ..self }
    }

    /// Works until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut safe = false;
        loop {
            let pause = self.reconcile().await;
            self.tidy().await;
            safe = safe || self.paths_are_safe().await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.state.poke.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Looks at once, rather than at the next wake.
    pub fn poke(&self) {
        self.state.poke.notify_one();
    }

    /// What was seen and planned last.
    pub fn outlook(&self) -> Option<Arc<Outlook>> {
        self.state.outlook.load_full()
    }

    /// Does what is due and says for how long nothing will be.
    pub async fn reconcile(self: &Arc<Self>) -> Duration {
        let _turn = self.turn().await;
        self.settle().await
    }

    /// Held while a plan is carried out or an operator's word is: one at a time in this process.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.state.turn.lock().await
    }

    /// Step after step until none is due. The caller has the turn.
    async fn settle(self: &Arc<Self>) -> Duration {
        for _ in 0..MOST_STEPS {
            let outlook = self.look().await;
            if outlook.plan.steps.is_empty() {
                self.conditions.replace("steps", Vec::new());
                return pause(&outlook);
            }
            match self.first_that_works(&outlook).await {
                Progress::Made => {}
                Progress::Lost => tokio::time::sleep(random::jitter(AFTER_A_LOST_RACE)).await,
                Progress::None => return random::jitter(AFTER_A_FAILURE),
            }
        }
        tracing::error!(
            "{MOST_STEPS} steps in a row and no end: another rotator may be undoing them; pausing"
        );
        LONGEST_SLEEP
    }

    async fn look(&self) -> Arc<Outlook> {
        let world = self.observe().await;
        let plan = plan::plan(&world);
        let outlook = Arc::new(Outlook { world, plan });
        self.metrics.show(&outlook);
        self.conditions.replace("plan", findings(&outlook.plan));
        self.state.outlook.store(Some(Arc::clone(&outlook)));
        outlook
    }

    /// A step that fails must not keep the others from being done, whose order does not matter then.
    async fn first_that_works(self: &Arc<Self>, outlook: &Outlook) -> Progress {
        let mut failures = Vec::new();
        for step in &outlook.plan.steps {
            match self.execute(&outlook.world, step).await {
                Ok(()) => {
                    log_done(step);
                    return Progress::Made;
                }
                Err(execute::Failure::Lost) => return Progress::Lost,
                Err(execute::Failure::UnderWay) => {}
                Err(execute::Failure::Failed(sentence)) => failures.push(failure(step, sentence)),
            }
        }
        self.conditions.replace("steps", failures);
        Progress::None
    }

    /// What the store still has of older publications is destroyed.
    async fn tidy(&self) {
        let mut findings = Vec::new();
        let mut report = |name: &str, tidied: Result<(), PublishError>| {
            let Err(error) = tidied else { return };
            findings.push(Finding {
                keyset: None,
                kind: "OldPublicationsLeft",
                degraded: true,
                reason: name.to_owned(),
                message: format!("older publications of `{name}` are still in the store: {error}"),
            });
        };
        for publisher in &self.publishers {
            report(publisher.name(), publisher.tidy().await);
        }
        for client in self.clients.values() {
            report(client.name(), client.tidy().await);
        }
        self.conditions.replace("tidy", findings);
    }

    fn since(&self, what: &str, readable: bool) -> livekit_keyd_core::time::Time {
        let mut since = self.state.unreadable_since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if readable {
            since.remove(what);
            return now;
        }
        *since.entry(what.to_owned()).or_insert(now)
    }
}

enum Progress {
    Made,
    Lost,
    None,
}

fn pause(outlook: &Outlook) -> Duration {
    let longest = random::jitter(LONGEST_SLEEP);
    match outlook.plan.wake {
        // A millisecond more, so that the clock has passed the moment.
        Some(wake) => longest.min(wake.since(clock::now()) + Duration::from_millis(1)),
        None => longest,
    }
}

fn findings(plan: &Plan) -> Vec<Finding> {
    let finding = |alarm: &plan::Alarm| Finding {
        keyset: alarm.keyset.clone(),
        kind: alarm.kind.as_str(),
        degraded: alarm.kind.degrades(),
        reason: alarm.kind.as_str().to_owned(),
        message: alarm.message.clone(),
    };
    plan.alarms.iter().map(finding).collect()
}

fn failure(step: &Step, message: String) -> Finding {
    let (keyset, subject) = match &step.action {
        plan::Action::Save { keyset, .. }
        | plan::Action::Purge { keyset, .. }
        | plan::Action::PublishClient { keyset, .. } => (Some(keyset.clone()), keyset.as_str()),
        plan::Action::Publish { publisher, .. } | plan::Action::Restart { publisher, .. } => {
            (None, publisher.as_str())
        }
        plan::Action::Roll { change } => (None, change.name()),
    };
    let reason = format!("{}:{subject}", step.rule);
    Finding { keyset, kind: "StepFailed", degraded: true, reason, message }
}

/// Says what was done, to which key, by which rule, and what comes next.
fn log_done(step: &Step) {
    let rule = step.rule.as_str();
    match &step.action {
        plan::Action::Save { keyset, change } => {
            let key = change.key().map(KeyId::as_str);
            tracing::info!(keyset, key, rule, "done: {}", step.why);
        }
        plan::Action::Publish { publisher, .. } => tracing::info!(publisher, rule, "done: {}", step.why),
        plan::Action::Purge { keyset, .. } | plan::Action::PublishClient { keyset, .. } => {
            tracing::info!(keyset, rule, "done: {}", step.why);
        }
        plan::Action::Roll { .. } => tracing::info!(rule, "done: {}", step.why),
        plan::Action::Restart { publisher, node, generation } => {
            tracing::info!(publisher, node, generation, rule, "begun: {}", step.why);
        }
    }
}
