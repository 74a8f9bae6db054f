//! `kind = "kubernetes_secret"`: a Secret, and the workload that reads it.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::super::reader::{Reader, Reported};
use super::super::setting::Setting;
use super::{Placed, PublisherConfig, nodes};
use crate::publish::KubernetesSecret;
use crate::publish::kubernetes::{Access, Workload};

/// A Kubernetes Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSecretConfig {
    /// In status, logs and metrics: its namespace and its name.
    pub name: String,
    /// How the cluster is reached.
    pub access: Access,
    /// The Secret's namespace, and the workload's.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The Secret's entry that LiveKit's `key_file` is.
    pub key: String,
    /// What is restarted when the keys have changed.
    pub restart: Option<WorkloadRestart>,
}

/// A workload that is restarted as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadRestart {
    /// The StatefulSet or Deployment.
    pub workload: Workload,
    /// The nodes that are its pods; every one, when none is named.
    pub nodes: Option<Vec<String>>,
    /// How long its pods may stay as they are before it counts as stuck.
    pub limit: Duration,
}

impl KubernetesSecretConfig {
    /// Ready to publish with.
    pub(super) fn publisher(self) -> KubernetesSecret {
        let secret = KubernetesSecret::new(self.access, &self.namespace, &self.secret, &self.key);
        match self.restart {
            Some(WorkloadRestart { workload, nodes, limit }) => secret.restarting(workload, nodes, limit),
            None => secret,
        }
    }
}

pub(super) fn read(mut section: Reader<'_>) -> Result<Placed, Reported> {
    let context = section.context;
    let namespace = section.required::<ObjectName>("namespace", "name the namespace that LiveKit runs in");
    let secret = section.required::<ObjectName>("name", "name the Secret that LiveKit's pods mount");
    let key = section.or("key", EntryName("keys.yaml".to_owned()));
    let kubeconfig = section.optional::<PathBuf>("kubeconfig");
    let workload = section.optional::<Workload>("restart");
    let nodes = nodes::addresses(&mut section);
    let limit = section.optional::<Duration>("restart_timeout");
    let restart_spot = section.spot_of("restart");
    section.refuse("path", "a Secret has no path: write kind = \"key_file\", or take this out");
    section.finish();
    let (namespace, secret) = (namespace?.value.0, secret?);
    let access = match kubeconfig? {
        Some(path) => Access::Kubeconfig(context.resolve(&path.value)),
        None => Access::InCluster,
    };
    let nodes = nodes?;
    let limit = limit?.map_or(Duration::ZERO, |limit| limit.value);
    let restart = workload?.map(|workload| WorkloadRestart { workload: workload.value, nodes, limit });
    let name = secret.map(|ObjectName(secret)| (format!("{namespace}/{secret}"), secret));
    let config = KubernetesSecretConfig {
        name: name.value.0.clone(),
        access,
        namespace,
        secret: name.value.1.clone(),
        key: key?.value.0,
        restart,
    };
    Ok(Placed {
        name: name.map(|(name, _)| name),
        file: None,
        restart: config.restart.is_some().then_some(restart_spot),
        config: PublisherConfig::Kubernetes(config),
    })
}

/// What Kubernetes takes as the name of an object.
struct ObjectName(String);

impl Setting for ObjectName {
    fn read(value: &DeValue<'_>) -> Result<ObjectName, String> {
        let written = String::read(value)?;
        let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if written.len() <= 253 && written.chars().all(within) {
            Ok(ObjectName(written))
        } else {
            Err("must be an object's name in Kubernetes: small letters, digits, `-` and `.`".to_owned())
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// What Kubernetes takes as the name of an entry of a Secret.
struct EntryName(String);

impl Setting for EntryName {
    fn read(value: &DeValue<'_>) -> Result<EntryName, String> {
        let written = String::read(value)?;
        if written.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
            Ok(EntryName(written))
        } else {
            Err("must be an entry's name in a Secret: letters, digits, `-`, `_` and `.`".to_owned())
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

impl Setting for Workload {
    fn read(value: &DeValue<'_>) -> Result<Workload, String> {
        String::read(value)?.parse()
    }

    fn show(&self) -> String {
        self.to_string().show()
    }
}
