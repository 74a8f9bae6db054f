//! What this account may do, by the cluster's own word: asked instead of tried.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};

use super::cluster::{CallError, Cluster, words};
use crate::publish::PublishError;

/// One object, and where it is.
pub(super) struct Object<'a> {
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl Object<'_> {
    /// Those of the verbs that the account may not use on it, a part of a sentence each.
    pub(super) async fn missing(
        &self,
        cluster: &Cluster,
        verbs: &[&str],
    ) -> Result<Vec<String>, PublishError> {
        let Object { resource, namespace, name, .. } = self;
        let mut missing = Vec::new();
        for verb in verbs {
            match self.may(cluster, verb).await {
                Ok(true) => {}
                Ok(false) => {
                    missing.push(format!("its account may not {verb} {resource} {namespace}/{name}"))
                }
                Err(error) => {
                    let why = match error {
                        CallError::Refused(status) => words(&status),
                        CallError::Unanswered(why) => why,
                    };
                    return Err(PublishError::Failed(format!(
                        "Kubernetes does not say whether its account may {verb} {resource} {namespace}/{name}: {why}"
                    )));
                }
            }
        }
        Ok(missing)
    }

    async fn may(&self, cluster: &Cluster, verb: &str) -> Result<bool, CallError> {
        let attributes = ResourceAttributes {
            group: Some(self.group.to_owned()),
            resource: Some(self.resource.to_owned()),
            namespace: Some(self.namespace.to_owned()),
            name: Some(self.name.to_owned()),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let answer = cluster
            .call(async |client| {
                Api::<SelfSubjectAccessReview>::all(client).create(&PostParams::default(), &review).await
            })
            .await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
