//! Restarting LiveKit's pods by a mark in their template, which their controller then carries out one by one.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, Status};
use serde_json::json;

use super::cluster::{CallError, Cluster, words};
use super::progress::{Progress, Told};
use super::rights::Object;
use super::secret::MANAGER;
use crate::publish::PublishError;
use crate::random;

/// The mark: which operation the pods were last restarted for.
pub const OPERATION: &str = "livekit-keyd/operation";

/// How often a workload that is rolling is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often the mark is set again when others change the workload at the same moment.
const TRIES: usize = 8;
/// The pause before that.
const AFTER_A_CONFLICT: Duration = Duration::from_millis(50);

/// A StatefulSet or a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    kind: Kind,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    StatefulSet,
    Deployment,
}

impl Kind {
    /// Of one, and of all of them.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::StatefulSet => ("StatefulSet", "statefulsets"),
            Kind::Deployment => ("Deployment", "deployments"),
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    /// From what kubectl calls it, like `statefulset/livekit`.
    fn from_str(text: &str) -> Result<Workload, String> {
        let wrong =
            || format!("must be like \"statefulset/livekit\" or \"deployment/livekit\"; this is \"{text}\"");
        let (kind, name) = text.split_once('/').ok_or_else(wrong)?;
        let kind = match kind {
            "statefulset" => Kind::StatefulSet,
            "deployment" => Kind::Deployment,
            _ => return Err(wrong()),
        };
        if name.is_empty() || name.contains('/') {
            return Err(wrong());
        }
        Ok(Workload { kind, name: name.to_owned() })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::StatefulSet => "statefulset",
            Kind::Deployment => "deployment",
        };
        write!(f, "{kind}/{}", self.name)
    }
}

/// A workload that can be restarted.
#[derive(Debug)]
pub(super) struct Restarts {
    namespace: String,
    workload: Workload,
    /// How long its pods may stay as they are before it counts as stuck.
    patience: Duration,
    /// How far it was when it last moved.
    moved: Mutex<Option<(Progress, Instant)>>,
}

impl Restarts {
    pub(super) fn new(namespace: String, workload: Workload, patience: Duration) -> Restarts {
        Restarts { namespace, workload, patience, moved: Mutex::default() }
    }

    /// Sets the mark, unless it is there, and watches until all pods are new and ready.
    ///
    /// Called again under the same operation it only watches.
    pub(super) async fn restart(&self, cluster: &Cluster, operation: &str) -> Result<(), PublishError> {
        self.mark(cluster, operation).await?;
        loop {
            let progress = self.progress(cluster).await?;
            match progress {
                Progress::Done => return Ok(()),
                Progress::Rolling { .. } => self.see_it_move(&progress)?,
                Progress::Paused(_) | Progress::Stuck(_) | Progress::Missing => {
                    return Err(self.failed("restart", &progress.to_string()));
                }
            }
            tokio::time::sleep(random::jitter(LOOK)).await;
        }
    }

    /// What would keep it from being restarted, a part of a sentence each.
    pub(super) async fn hindrances(&self, cluster: &Cluster) -> Result<Vec<String>, PublishError> {
        let (_, resource) = self.workload.kind.names();
        let (namespace, name) = (&self.namespace, &self.workload.name);
        let object = Object { group: "apps", resource, namespace, name };
        let mut hindrances = object.missing(cluster, &["get", "patch"]).await?;
        if hindrances.is_empty() {
            let progress = self.progress(cluster).await?;
            if !matches!(progress, Progress::Done | Progress::Rolling { .. }) {
                hindrances.push(format!("{} cannot be restarted: {progress}", self.workload));
            }
        }
        Ok(hindrances)
    }

    /// How far its controller has come.
    async fn progress(&self, cluster: &Cluster) -> Result<Progress, PublishError> {
        let Some(object) = self.get(cluster).await? else { return Ok(Progress::Missing) };
        let told: Result<Told, _> = serde_json::to_value(object).and_then(serde_json::from_value);
        Ok(told.map_err(|error| self.failed("read", &error.to_string()))?.progress())
    }

    async fn mark(&self, cluster: &Cluster, operation: &str) -> Result<(), PublishError> {
        let mut known: Option<Option<String>> = None;
        for _ in 0..TRIES {
            let Some(object) = self.get(cluster).await? else {
                return Err(self.failed("restart", &Progress::Missing.to_string()));
            };
            let mark = mark_of(&object);
            if mark.as_deref() == Some(operation) {
                return Ok(());
            }
            // A rotator that stood still for long would undo what another has done in the meantime.
            if known.as_ref().is_some_and(|known| *known != mark) {
                return Err(self.failed("restart", "another operation has begun"));
            }
            known = Some(mark);
            *self.moved() = None;
            match self.patch(cluster, &object, operation).await {
                Err(CallError::Refused(status)) if status.code == 409 => {
                    tokio::time::sleep(random::jitter(AFTER_A_CONFLICT)).await;
                }
                // Deleted since it was read: the next look says so.
                Err(CallError::Refused(status)) if status.code == 404 => {}
                Err(error) => return Err(self.explain("restart", error)),
                Ok(_) => return Ok(()),
            }
        }
        Err(self.failed("restart", "others change it all the time"))
    }

    async fn patch(
        &self,
        cluster: &Cluster,
        read: &DynamicObject,
        operation: &str,
    ) -> Result<DynamicObject, CallError> {
        let patch = json!({
            "metadata": {"resourceVersion": read.metadata.resource_version},
            "spec": {"template": {"metadata": {"annotations": {OPERATION: operation}}}},
        });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let name = &self.workload.name;
        cluster.call(async |client| self.api(client).patch(name, &params, &Patch::Merge(&patch)).await).await
    }

    async fn get(&self, cluster: &Cluster) -> Result<Option<DynamicObject>, PublishError> {
        let called = cluster.call(async |client| self.api(client).get_opt(&self.workload.name).await);
        called.await.map_err(|error| self.explain("read", error))
    }

    fn api(&self, client: kube::Client) -> Api<DynamicObject> {
        let (kind, plural) = self.workload.kind.names();
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("apps", "v1", kind), plural);
        Api::namespaced_with(client, &self.namespace, &resource)
    }

    /// A StatefulSet's controller never says that it is stuck, so whoever watches must.
    fn see_it_move(&self, progress: &Progress) -> Result<(), PublishError> {
        let mut moved = self.moved();
        match &*moved {
            Some((before, since)) if before == progress => {
                if since.elapsed() < self.patience {
                    return Ok(());
                }
                let why = format!("{progress}, and nothing has moved for {} s", since.elapsed().as_secs());
                Err(self.failed("restart", &Progress::Stuck(why).to_string()))
            }
            _ => {
                *moved = Some((progress.clone(), Instant::now()));
                Ok(())
            }
        }
    }

    fn moved(&self) -> MutexGuard<'_, Option<(Progress, Instant)>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn explain(&self, verb: &str, error: CallError) -> PublishError {
        match error {
            CallError::Refused(status) => self.failed(verb, &self.refused(&status)),
            CallError::Unanswered(why) => self.failed(verb, &format!("{why}; it is tried again")),
        }
    }

    fn refused(&self, status: &Status) -> String {
        let remedy = match status.code {
            401 => "see that its account exists and its token is not expired".to_owned(),
            403 => {
                format!("allow its account get and patch on {} alone, as the Helm chart does", self.workload)
            }
            _ => "it is tried again".to_owned(),
        };
        format!("{}; {remedy}", words(status))
    }

    fn failed(&self, verb: &str, why: &str) -> PublishError {
        PublishError::Failed(format!(
            "cannot {verb} {} in namespace {}: {why}",
            self.workload, self.namespace
        ))
    }
}

fn mark_of(object: &DynamicObject) -> Option<String> {
    let mark = &object.data["spec"]["template"]["metadata"]["annotations"][OPERATION];
    mark.as_str().map(str::to_owned)
}
