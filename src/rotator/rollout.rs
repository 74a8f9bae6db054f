//! The rotator's part in a rollout: what it asks the nodes, the lease in the store, and the restarts it orders.
//!
//! A restart may take hours, so it runs beside the rotator's loop, which goes on
//! looking; what became of it is remembered by its number until the next begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Fleet, KeysetWorld, Observed, Order, Proof, Restarter};
use livekit_keyd_core::rollout::{self, Forgotten, Rollout, RolloutChange};
use livekit_keyd_core::secret::Secret;

use super::Rotator;
use super::execute::Failure;
use super::operate::Refusal;
use crate::clock;
use crate::fleet::Watcher;
use crate::publish::Publisher;
use crate::store::{Expected, Found, StoreError};

/// How often an operator's word is tried again when rotators write at the same moment.
const TRIES: usize = 8;

/// The nodes of a deployment, as a rotator works with them.
pub struct Deployment {
    /// Where the rollout lies in the store.
    pub path: String,
    /// Asks the nodes.
    pub watcher: Arc<Watcher>,
    /// With fewer nodes than this nothing is proven.
    pub min_nodes: usize,
    /// How old an answer may be that proves something.
    pub fresh_for: Duration,
    /// How long a restarted node may take.
    pub node_restart_timeout: Duration,
    /// This process, as the lease names it.
    pub me: String,
    /// What became of the restarts that this process ordered.
    pub orders: Arc<Mutex<BTreeMap<u64, Order>>>,
}

impl Deployment {
    fn path(&self) -> String {
        format!("{}/rollout", self.path)
    }
}

impl Rotator {
    /// How it is known that nodes know a key, with what is known now. Last of all that is observed, as the nodes are
    /// asked about what the documents name.
    pub(super) async fn proof(&self, keysets: &BTreeMap<String, KeysetWorld>) -> Proof {
        let Some(deployment) = &self.deployment else { return Proof::Disabled };
        let read = self.rollout(deployment).await;
        let since = self.since(&deployment.path(), read.is_ok());
        let rollout = match read {
            Ok(found) => Observed::Fresh(found),
            Err(error) => Observed::Unknown { since, why: error.to_string() },
        };
        deployment.watcher.ask_about(questions(keysets));
        let under_way = rollout.last().is_some_and(|(_, rollout)| rollout.restarting.is_some());
        deployment.watcher.hurry(under_way);
        let (nodes, unresolved) = deployment.watcher.seen();
        let orders = deployment.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Proof::Required(Box::new(Fleet {
            nodes,
            unresolved,
            min_nodes: deployment.min_nodes,
            fresh_for: deployment.fresh_for,
            node_restart_timeout: deployment.node_restart_timeout,
            rollout,
            restarters: self.publishers.iter().filter_map(restarter).collect(),
            me: deployment.me.clone(),
            orders,
        }))
    }

    async fn rollout(&self, deployment: &Deployment) -> Result<(u64, Rollout), StoreError> {
        Ok(match self.store.read::<Rollout>(&deployment.path()).await? {
            Found::Value { version, value } => (version, value),
            Found::Deleted { version } => (version, Rollout::default()),
            Found::Absent => (0, Rollout::default()),
        })
    }

    pub(super) async fn roll(
        &self,
        seen: &Observed<(u64, Rollout)>,
        change: &RolloutChange,
    ) -> Result<(), Failure> {
        let (Some(deployment), Some((version, rollout))) = (&self.deployment, seen.fresh()) else {
            return Err(Failure::Lost);
        };
        let next = rollout::apply(rollout, change, &deployment.me, clock::now())
            .map_err(|illegal| Failure::Failed(illegal.to_string()))?;
        tracing::info!(generation = next.generation, "writing the rollout: {}", change.name());
        let expected = if *version == 0 { Expected::Absent } else { Expected::Version(*version) };
        self.store.write(&deployment.path(), &next, expected).await?;
        let mut orders = deployment.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.retain(|generation, _| next.restarting.is_some() && *generation == next.generation);
        Ok(())
    }

    /// Begins to carry a restart out; the plan asks again until it is done.
    pub(super) fn order(
        self: &Arc<Self>,
        publisher: &str,
        node: Option<&str>,
        generation: u64,
    ) -> Result<(), Failure> {
        let deployment = self.deployment.as_ref().ok_or(Failure::Lost)?;
        let found = self.publishers.iter().find(|known| known.name() == publisher).cloned();
        let found = found.ok_or_else(|| Failure::Failed(format!("there is no publisher `{publisher}`")))?;
        let orders = Arc::clone(&deployment.orders);
        let record = move |order| {
            orders.lock().unwrap_or_else(PoisonError::into_inner).insert(generation, order);
        };
        record(Order::Running);
        let node = node.map(str::to_owned);
        let rotator = Arc::clone(self);
        tracing::info!(publisher, node, generation, "restarting");
        tokio::spawn(async move {
            let operation = format!("restart-{generation}");
            record(match found.restart(node.as_deref(), &operation).await {
                Ok(()) => Order::Done,
                Err(error) => Order::Failed(clock::now(), error.to_string()),
            });
            rotator.poke();
        });
        Ok(())
    }

    /// Strikes a node off that will never answer again.
    ///
    /// # Errors
    /// There is no such node, it answers, or the store failed.
    pub async fn forget_node(&self, node: &str, by: String, reason: String) -> Result<Forgotten, Refusal> {
        let deployment = self.deployment.as_ref().ok_or(Refusal::NoNodes)?;
        let (nodes, _) = deployment.watcher.seen();
        let found = nodes.get(node).ok_or_else(|| {
            let known: Vec<_> = nodes.keys().map(String::as_str).collect();
            Refusal::NoNode(format!("there is no node `{node}`; there are: {}", known.join(", ")))
        })?;
        if found.answering_since.is_some() {
            return Err(Refusal::NodeAnswers(format!(
                "node {node} answers: only one that is gone is struck off"
            )));
        }
        let change = RolloutChange::Forget { node: node.to_owned(), by, reason };
        for _ in 0..TRIES {
            let read = self.rollout(deployment).await.map_err(|error| Refusal::Failed(error.to_string()))?;
            match self.roll(&Observed::Fresh(read), &change).await {
                Err(Failure::Lost) => {
                    tokio::time::sleep(crate::random::jitter(super::AFTER_A_LOST_RACE)).await
                }
                Err(failure) => return Err(failure.into()),
                Ok(()) => {
                    let (_, now) =
                        self.rollout(deployment).await.map_err(|error| Refusal::Failed(error.to_string()))?;
                    self.poke();
                    return now.forgotten.get(node).cloned().ok_or_else(|| Failure::Lost.into());
                }
            }
        }
        Err(Failure::Lost.into())
    }
}

/// Every key that a node might know: what is published, and what was taken out and is not erased.
fn questions(keysets: &BTreeMap<String, KeysetWorld>) -> BTreeMap<KeyId, Option<Secret>> {
    let documents = keysets.values().filter_map(|keyset| Some((keyset, keyset.document.last()?)));
    let keys = documents.flat_map(|(keyset, document)| {
        let document: &Document = document;
        let keys = document.keys.iter().filter(|key| key.erased_at.is_none());
        keys.map(move |key| {
            let secret = key.secret.as_ref().or_else(|| keyset.standby_secret(&key.id));
            (key.id.clone(), secret.cloned())
        })
    });
    keys.collect()
}

fn restarter(publisher: &Publisher) -> Option<(String, Restarter)> {
    Some((publisher.name().to_owned(), publisher.restarter()?))
}
