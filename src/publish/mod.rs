//! Where LiveKit reads its keys: each place is derived from the documents, and put right when it is not so.

pub mod key_file;
mod yaml;

use std::fmt;

use livekit_keyd_core::plan::{Publication, Restarter};

pub use key_file::KeyFile;

/// A place that LiveKit reads its keys from.
#[derive(Clone, Debug)]
pub enum Publisher {
    /// LiveKit's `key_file`.
    KeyFile(KeyFile),
}

/// Why a publication could not be read or replaced.
#[derive(Debug)]
pub enum PublishError {
    /// Someone else changed it since it was read: look again.
    Changed,
    /// A sentence that says what was attempted and what to do.
    Failed(String),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Changed => f.write_str("it was changed by another process in the meantime"),
            PublishError::Failed(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for PublishError {}

impl Publisher {
    /// Its name in status, logs and metrics.
    pub fn name(&self) -> &str {
        match self {
            Publisher::KeyFile(file) => file.name(),
        }
    }

    /// What it holds; nothing, where nothing was published yet.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read(&self) -> Result<Publication, PublishError> {
        match self {
            Publisher::KeyFile(file) => {
                let file = file.clone();
                blocking(move || file.read()).await
            }
        }
    }

    /// What it can restart.
    pub fn restarter(&self) -> Option<Restarter> {
        match self {
            Publisher::KeyFile(_) => None,
        }
    }

    /// Restarts a node, or its whole workload, and ends when that is carried out as far as the target says. It is called
    /// again under the same operation until it has succeeded once.
    ///
    /// # Errors
    /// Why it could not be carried out.
    pub async fn restart(&self, node: Option<&str>, operation: &str) -> Result<(), PublishError> {
        match self {
            Publisher::KeyFile(file) => Err(PublishError::Failed(format!(
                "`{}` cannot restart {} for {operation}: it has no restart command",
                file.name(),
                node.unwrap_or("anything")
            ))),
        }
    }

    /// Replaces what it held when it was read.
    ///
    /// # Errors
    /// [`PublishError::Changed`] if it holds something else by now; otherwise why it cannot be written.
    pub async fn replace(&self, there: &Publication, wanted: &Publication) -> Result<(), PublishError> {
        match self {
            Publisher::KeyFile(file) => {
                let (file, there, wanted) = (file.clone(), there.clone(), wanted.clone());
                blocking(move || file.replace(&there, &wanted)).await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(PublishError::Failed(format!("the file task ended: {error}"))))
}
