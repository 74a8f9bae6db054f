//! Where LiveKit reads its keys: each place is derived from the documents, and put right when it is not so.

mod client;
mod command;
mod job;
mod kept;
pub mod key_file;
pub mod kubernetes;
mod process;
mod restart;
mod store;
mod stored;
mod yaml;

use std::fmt;

use livekit_keyd_core::plan::{Publication, Restarter};

pub use client::ClientPublisher;
pub use command::CommandPublisher;
pub use key_file::KeyFile;
pub use kubernetes::KubernetesSecret;
pub use process::Program;
pub use restart::NodeRestart;
pub use store::{NAME as STORE, StorePublisher};

/// A place that LiveKit reads its keys from.
#[derive(Clone, Debug)]
pub enum Publisher {
    /// The store's own.
    Store(StorePublisher),
    /// LiveKit's `key_file`.
    KeyFile(KeyFile),
    /// A command that brings them there.
    Command(CommandPublisher),
    /// A Kubernetes Secret.
    Kubernetes(KubernetesSecret),
}

/// Why a publication could not be read or replaced.
#[derive(Debug)]
pub enum PublishError {
    /// Someone else changed it since it was read: look again.
    Changed,
    /// It is being replaced, by this process or another: look again in a while.
    UnderWay,
    /// A sentence that says what was attempted and what to do.
    Failed(String),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Changed => f.write_str("it was changed by another process in the meantime"),
            PublishError::UnderWay => f.write_str("it is being replaced, which takes a while"),
            PublishError::Failed(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for PublishError {}

impl Publisher {
    /// Its name in status, logs and metrics.
    pub fn name(&self) -> &str {
        match self {
            Publisher::Store(_) => STORE,
            Publisher::KeyFile(file) => file.name(),
            Publisher::Command(command) => command.name(),
            Publisher::Kubernetes(secret) => secret.name(),
        }
    }

    /// What it holds; nothing, where nothing was published yet.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read(&self) -> Result<Publication, PublishError> {
        match self {
            Publisher::Store(store) => store.read().await,
            Publisher::KeyFile(file) => {
                let file = file.clone();
                blocking(move || file.read()).await
            }
            Publisher::Command(command) => command.read().await,
            Publisher::Kubernetes(secret) => secret.read().await,
        }
    }

    /// Replaces what it held when it was read.
    ///
    /// # Errors
    /// [`PublishError::Changed`] if it holds something else by now, [`PublishError::UnderWay`] while that takes long;
    /// otherwise why it cannot be written.
    pub async fn replace(&self, there: &Publication, wanted: &Publication) -> Result<(), PublishError> {
        match self {
            Publisher::Store(store) => store.replace(there, wanted).await,
            Publisher::KeyFile(file) => {
                let (file, there, wanted) = (file.clone(), there.clone(), wanted.clone());
                blocking(move || file.replace(&there, &wanted)).await
            }
            Publisher::Command(command) => command.replace(there, wanted).await,
            Publisher::Kubernetes(secret) => secret.replace(there, wanted).await,
        }
    }

    /// Destroys what the store still has of older publications, once after each change.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn tidy(&self) -> Result<(), PublishError> {
        match self {
            Publisher::Store(store) => store.tidy().await,
            Publisher::KeyFile(_) | Publisher::Kubernetes(_) => Ok(()),
            Publisher::Command(command) => command.tidy().await,
        }
    }

    /// What it can restart.
    pub fn restarter(&self) -> Option<Restarter> {
        match self {
            Publisher::Kubernetes(secret) => secret.restarter(),
            _ => self.node_restart().map(NodeRestart::restarter),
        }
    }

    /// Restarts a node, or its whole workload, and ends when that is carried out as far as the target says. It is called
    /// again under the same operation until it has succeeded once.
    ///
    /// # Errors
    /// Why it could not be carried out.
    pub async fn restart(&self, node: Option<&str>, operation: &str) -> Result<(), PublishError> {
        if let Publisher::Kubernetes(secret) = self {
            return secret.restart(operation).await;
        }
        match (self.node_restart(), node) {
            (Some(restart), Some(node)) => restart.run(node, operation).await,
            (_, node) => Err(PublishError::Failed(format!(
                "`{}` cannot restart {} for {operation}: it has no restart command for that",
                self.name(),
                node.unwrap_or("a whole workload")
            ))),
        }
    }

    fn node_restart(&self) -> Option<&NodeRestart> {
        match self {
            Publisher::Store(_) | Publisher::Kubernetes(_) => None,
            Publisher::KeyFile(file) => file.node_restart(),
            Publisher::Command(command) => command.node_restart(),
        }
    }
}

/// Reads what a LiveKit key file holds.
///
/// # Errors
/// Where the text is no such map: a part of a sentence, without any content of the file.
pub fn read_key_file(text: &str) -> Result<Publication, String> {
    yaml::read(text)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(PublishError::Failed(format!("the file task ended: {error}"))))
}
