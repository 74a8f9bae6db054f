//! A Kubernetes Secret that LiveKit's pods mount, and the workload that runs them.
//!
//! A pod that mounts one file of a Secret never sees it change, and LiveKit reads
//! its keys at its start only: so a publication is followed by a restart, which is
//! a mark in the template of the pods. Its account needs rights to these two
//! objects and to nothing else.

mod cluster;
mod progress;
mod rights;
mod secret;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::plan::{Publication, Restarter};

use super::PublishError;
use cluster::Cluster;
use secret::SecretEntry;
use workload::Restarts;

pub use cluster::Access;
pub use workload::{OPERATION, Workload};

/// Keys in a Secret.
#[derive(Clone, Debug)]
pub struct KubernetesSecret {
    name: String,
    entry: SecretEntry,
    cluster: Arc<Cluster>,
    restarts: Option<Arc<Restarts>>,
    nodes: Option<Vec<String>>,
}

impl KubernetesSecret {
    /// One entry of a Secret. Nothing is called yet.
    pub fn new(access: Access, namespace: &str, name: &str, key: &str) -> KubernetesSecret {
        KubernetesSecret {
            name: format!("{namespace}/{name}"),
            entry: SecretEntry {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                key: key.to_owned(),
            },
            cluster: Arc::new(Cluster::new(access)),
            restarts: None,
            nodes: None,
        }
    }

    /// Restarts this workload of the same namespace, whose pods are these nodes, or every one. It counts as stuck when
    /// its pods stay as they are for longer than `patience`.
    pub fn restarting(
        self,
        workload: Workload,
        nodes: Option<Vec<String>>,
        patience: Duration,
    ) -> KubernetesSecret {
        let restarts = Restarts::new(self.entry.namespace.clone(), workload, patience);
        KubernetesSecret { restarts: Some(Arc::new(restarts)), nodes, ..self }
    }

    /// Its name in status, logs and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What would keep it from being published and its workload from being restarted, by the cluster's own word:
    /// nothing is changed. A part of a sentence each.
    ///
    /// # Errors
    /// Why the cluster does not say it.
    pub async fn hindrances(&self) -> Result<Vec<String>, PublishError> {
        let mut hindrances = self.entry.missing_rights(&self.cluster).await?;
        if let Some(restarts) = &self.restarts {
            hindrances.extend(restarts.hindrances(&self.cluster).await?);
        }
        Ok(hindrances)
    }

    /// What it can restart.
    pub(super) fn restarter(&self) -> Option<Restarter> {
        self.restarts.as_ref().map(|_| Restarter::Workload(self.nodes.clone()))
    }

    pub(super) async fn read(&self) -> Result<Publication, PublishError> {
        self.entry.read(&self.cluster).await
    }

    pub(super) async fn replace(
        &self,
        there: &Publication,
        wanted: &Publication,
    ) -> Result<(), PublishError> {
        self.entry.replace(&self.cluster, there, wanted).await
    }

    /// Restarts the workload once for an operation, however often it is called, and waits until its pods are new and
    /// ready.
    pub(super) async fn restart(&self, operation: &str) -> Result<(), PublishError> {
        match &self.restarts {
            Some(restarts) => restarts.restart(&self.cluster, operation).await,
            None => Err(PublishError::Failed(format!(
                "`{}` cannot restart anything for {operation}: it has no `restart`",
                self.name
            ))),
        }
    }
}
