//! `[[publish]]`: where LiveKit reads its keys. A file a kind.

mod command;
mod key_file;
mod kubernetes;
mod nodes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::account::{self, Kind};
use super::livekit::Section as LiveKit;
use super::reader::{Context, Reader, Reported, Spot, Written};
use super::setting::{Account, Setting, one_of};
use crate::atomic_file::Owner;
use crate::publish::{CommandPublisher, Publisher, STORE};
use crate::store::Store;

pub use command::CommandConfig;
pub use key_file::KeyFileConfig;
pub use kubernetes::{KubernetesSecretConfig, WorkloadRestart};

/// A place that keys are published to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublisherConfig {
    /// A file on this machine.
    KeyFile(KeyFileConfig),
    /// A command.
    Command(CommandConfig),
    /// A Kubernetes Secret.
    Kubernetes(KubernetesSecretConfig),
}

impl PublisherConfig {
    /// Its name in status, logs and metrics.
    pub fn name(&self) -> &str {
        match self {
            PublisherConfig::KeyFile(file) => &file.name,
            PublisherConfig::Command(command) => &command.name,
            PublisherConfig::Kubernetes(secret) => &secret.name,
        }
    }

    /// The file, if it is one.
    pub fn key_file(&self) -> Option<&KeyFileConfig> {
        match self {
            PublisherConfig::KeyFile(file) => Some(file),
            PublisherConfig::Command(_) | PublisherConfig::Kubernetes(_) => None,
        }
    }

    /// Ready to publish with, for the deployment at this path of the store.
    pub fn publisher(&self, store: &Arc<Store>, deployment: &str) -> Publisher {
        match self.clone() {
            PublisherConfig::KeyFile(file) => file.publisher(),
            PublisherConfig::Command(command) => Publisher::Command(CommandPublisher::new(
                command.name,
                command.publish,
                command.restart,
                Arc::clone(store),
                deployment,
            )),
            PublisherConfig::Kubernetes(secret) => Publisher::Kubernetes(secret.publisher()),
        }
    }

    /// As [`PublisherConfig::publisher`], for those that remember nothing in the store.
    pub fn without_store(&self) -> Option<Publisher> {
        match self.clone() {
            PublisherConfig::KeyFile(file) => Some(file.publisher()),
            PublisherConfig::Command(_) => None,
            PublisherConfig::Kubernetes(secret) => Some(Publisher::Kubernetes(secret.publisher())),
        }
    }

    /// How long a restart may take, where there is one.
    fn limit_mut(&mut self) -> Option<&mut Duration> {
        match self {
            PublisherConfig::KeyFile(file) => file.restart.as_mut().map(|restart| &mut restart.program.limit),
            PublisherConfig::Command(command) => {
                command.restart.as_mut().map(|restart| &mut restart.program.limit)
            }
            PublisherConfig::Kubernetes(secret) => secret.restart.as_mut().map(|restart| &mut restart.limit),
        }
    }
}

#[derive(Clone, Copy)]
enum PublisherKind {
    KeyFile,
    Command,
    Kubernetes,
}

impl Setting for PublisherKind {
    fn read(value: &DeValue<'_>) -> Result<PublisherKind, String> {
        let known = [
            ("key_file", PublisherKind::KeyFile),
            ("kubernetes_secret", PublisherKind::Kubernetes),
            ("command", PublisherKind::Command),
        ];
        one_of(value, &known)
    }

    fn show(&self) -> String {
        match self {
            PublisherKind::KeyFile => "\"key_file\"".to_owned(),
            PublisherKind::Command => "\"command\"".to_owned(),
            PublisherKind::Kubernetes => "\"kubernetes_secret\"".to_owned(),
        }
    }
}

/// A section with the places that it is compared by.
pub(super) struct Placed {
    config: PublisherConfig,
    name: Written<String>,
    file: Option<Written<PathBuf>>,
    /// Where it says how nodes are restarted, if it does.
    restart: Option<Spot>,
}

impl Placed {
    /// A restart may take as long as a node may, unless the section says otherwise.
    pub(super) fn config(mut self, node_restart_timeout: Duration) -> PublisherConfig {
        if let Some(limit) = self.config.limit_mut().filter(|limit| limit.is_zero()) {
            *limit = node_restart_timeout;
        }
        self.config
    }
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<Vec<Placed>, Reported> {
    let context = root.context;
    let mut all: Vec<Result<Placed, Reported>> = Vec::new();
    for table in root.tables("publish") {
        let section = table.and_then(one);
        if let Ok(section) = &section {
            check_apart(context, section, all.iter().flatten());
        }
        all.push(section);
    }
    all.into_iter().collect()
}

fn one(mut section: Reader<'_>) -> Result<Placed, Reported> {
    match section
        .required::<PublisherKind>("kind", "write \"key_file\", \"kubernetes_secret\" or \"command\"")?
        .value
    {
        PublisherKind::KeyFile => key_file::read(section),
        PublisherKind::Command => command::read(section),
        PublisherKind::Kubernetes => kubernetes::read(section),
    }
}

fn check_apart<'s>(context: &Context<'_>, section: &Placed, others: impl Iterator<Item = &'s Placed>) {
    if section.name.value == STORE {
        context.report(&section.name.spot, "the store's own publication has this name: choose another one");
    }
    for other in others {
        let file = |placed: &Placed| placed.file.as_ref().map(|file| file.value.clone());
        match &section.file {
            Some(own) if file(other).as_ref() == Some(&own.value) => {
                context.report(&own.spot, "another [[publish]] writes this file: take one of them out");
            }
            _ if other.name.value == section.name.value => {
                context.report(&section.name.spot, "another [[publish]] has this name: choose another one");
            }
            _ => {}
        }
    }
}

/// Nodes are restarted when they were asked and seen not to know what is published.
pub(super) fn check_restarts(context: &Context<'_>, livekit: &LiveKit, publish: &[Placed]) {
    if livekit.asks_nodes() {
        return;
    }
    for spot in publish.iter().filter_map(|section| section.restart.as_ref()) {
        let sentence = "nobody would ever be restarted, since proof = \"disabled\" means that no node is asked what it knows: write proof = \"required\" with `nodes`, or take this out";
        context.report(spot, sentence);
    }
}

/// The owner that two keys of a section name.
pub(super) fn owner(
    section: &mut Reader<'_>,
    user: &'static str,
    group: &'static str,
) -> Result<Owner, Reported> {
    let context = section.context;
    let mut number = |name, kind| {
        let written = section.optional::<Account>(name)?;
        written.map(|written| account::number(context, kind, &written)).transpose()
    };
    let (uid, gid) = (number(user, Kind::User), number(group, Kind::Group));
    Ok(Owner { uid: uid?, gid: gid? })
}
