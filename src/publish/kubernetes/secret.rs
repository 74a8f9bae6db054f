//! Keys in a Kubernetes Secret, as the key file has them: the same text under one of its entries.
//!
//! It is written by server-side apply, so that other entries stay whoever's they
//! are, and on the very version that was read, so that nobody's later word is lost.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::core::Status;
use livekit_keyd_core::plan::Publication;

use super::cluster::{CallError, Cluster, words};
use super::rights::Object;
use crate::publish::{PublishError, yaml};
use crate::random;

/// Whose fields these are, to Kubernetes.
pub(super) const MANAGER: &str = "livekit-keyd";

/// Where the keys lie.
#[derive(Clone, Debug)]
pub(super) struct SecretEntry {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) key: String,
}

/// What was found there.
struct Found {
    publication: Publication,
    /// `None` when there is no such Secret.
    version: Option<String>,
    is_immutable: bool,
}

impl SecretEntry {
    pub(super) async fn read(&self, cluster: &Cluster) -> Result<Publication, PublishError> {
        Ok(self.find(cluster).await?.publication)
    }

    pub(super) async fn replace(
        &self,
        cluster: &Cluster,
        there: &Publication,
        wanted: &Publication,
    ) -> Result<(), PublishError> {
        let found = self.find(cluster).await?;
        if found.publication != *there {
            return Err(PublishError::Changed);
        }
        if found.is_immutable {
            return Err(self.failed("write", "it is immutable", "delete it: it is made anew at once"));
        }
        let written = self.apply(cluster, wanted, found.version).await?;
        let now = self.find(cluster).await?;
        if now.publication == *wanted {
            Ok(())
        } else if now.version == written {
            let why =
                "it does not hold what was written, so something in the cluster changes it on its way in";
            Err(self.failed("write", why, "look at the cluster's mutating webhooks and policies"))
        } else {
            Err(PublishError::Changed)
        }
    }

    pub(super) async fn missing_rights(&self, cluster: &Cluster) -> Result<Vec<String>, PublishError> {
        let SecretEntry { namespace, name, .. } = self;
        Object { group: "", resource: "secrets", namespace, name }
            .missing(cluster, &["patch", "create"])
            .await
    }

    /// The version that was written.
    async fn apply(
        &self,
        cluster: &Cluster,
        wanted: &Publication,
        version: Option<String>,
    ) -> Result<Option<String>, PublishError> {
        let text = yaml::write(wanted);
        let entry = (self.key.clone(), ByteString(text.as_bytes().to_vec()));
        let params = match version {
            // An older owner's word counts no more, since this is the version that was read.
            Some(_) => PatchParams::apply(MANAGER).force(),
            // A name of its own makes this a creation that nobody's comes to harm by: what another has put there in
            // the meantime, even a rotator of the same name, is a conflict.
            None => PatchParams::apply(&format!("{MANAGER}-{}", random::write_id().0)),
        };
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            resource_version: version,
            ..ObjectMeta::default()
        };
        let secret = Secret { metadata, data: Some(BTreeMap::from([entry])), ..Secret::default() };
        let called = cluster.call(async |client| {
            let secrets = Api::<Secret>::namespaced(client, &self.namespace);
            secrets.patch(&self.name, &params, &Patch::Apply(&secret)).await
        });
        match called.await {
            Ok(written) => Ok(written.metadata.resource_version),
            Err(CallError::Refused(status)) => Err(self.refused(&status)),
            Err(CallError::Unanswered(why)) => {
                let unsure = "it is read and tried again, as the write may or may not have landed";
                Err(self.failed("write", &why, unsure))
            }
        }
    }

    async fn find(&self, cluster: &Cluster) -> Result<Found, PublishError> {
        let called = cluster.call(async |client| {
            Api::<Secret>::namespaced(client, &self.namespace).get_opt(&self.name).await
        });
        let secret = match called.await {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                return Ok(Found { publication: Publication::default(), version: None, is_immutable: false });
            }
            Err(CallError::Refused(status)) => return Err(self.not_allowed("read", &status)),
            Err(CallError::Unanswered(why)) => return Err(self.failed("read", &why, "it is tried again")),
        };
        let bytes = secret.data.and_then(|mut data| data.remove(&self.key)).unwrap_or_default();
        let publication = std::str::from_utf8(&bytes.0)
            .map_err(|_| "it is no UTF-8 text".to_owned())
            .and_then(yaml::read)
            .map_err(|why| {
                let why = format!("`{}` in it is not LiveKit's map of ids to secrets: {why}", self.key);
                self.failed("read", &why, "mend it, or take it out to have it written anew")
            })?;
        Ok(Found {
            publication,
            version: secret.metadata.resource_version,
            is_immutable: secret.immutable == Some(true),
        })
    }

    /// What a refused write means.
    fn refused(&self, status: &Status) -> PublishError {
        let blames = |reason: &str| {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            causes.into_iter().any(|cause| cause.reason == reason)
        };
        let missing = status.details.as_ref().filter(|_| status.code == 404).map(|details| &*details.kind);
        match (status.code, missing) {
            (409, _) => PublishError::Changed,
            (404, Some("namespaces")) => {
                self.failed("write", "there is no such namespace", "create it, or correct `namespace`")
            }
            // Deleted since it was read.
            (404, _) => PublishError::Changed,
            (413, _) => self.too_large(),
            (422, _) if blames("FieldValueTooLong") => self.too_large(),
            _ => self.not_allowed("write", status),
        }
    }

    fn too_large(&self) -> PublishError {
        let why = "it would be larger than the 1 MiB that Kubernetes takes";
        self.failed("write", why, "take other entries out of it, or publish to a Secret of its own")
    }

    fn not_allowed(&self, verb: &str, status: &Status) -> PublishError {
        let remedy = match status.code {
            401 => "see that its account exists and its token is not expired".to_owned(),
            403 => format!(
                "allow its account get, patch and create on the Secret `{}` alone, as the Helm chart does",
                self.name
            ),
            _ => "it is tried again".to_owned(),
        };
        self.failed(verb, &words(status), &remedy)
    }

    fn failed(&self, verb: &str, why: &str, remedy: &str) -> PublishError {
        let SecretEntry { namespace, name, .. } = self;
        PublishError::Failed(format!(
            "cannot {verb} the Secret {namespace}/{name} in Kubernetes: {why}; {remedy}"
        ))
    }
}
