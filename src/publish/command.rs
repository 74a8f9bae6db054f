//! Keys are handed to a command, which brings them wherever it likes.
//!
//! What it brought them to cannot be read back here. So the store keeps what was
//! published: the intent is written before the command runs, and what it stood for
//! once it has exited with 0. A rotator that finds an intent knows that its target
//! may hold either, and has the command run again under the same operation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::document::Lineage;
use livekit_keyd_core::plan::{Publication, Vector};
use livekit_keyd_core::rules::LONGEST_CLOCK_SKEW;
use livekit_keyd_core::time::Time;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::job::Job;
use super::kept::Kept;
use super::process::{Input, Program};
use super::restart::NodeRestart;
use super::stored::Stored;
use super::{PublishError, yaml};
use crate::store::{Expected, Store};
use crate::{clock, random};

/// How long another process is left alone with an operation before this one runs the same beside it.
const SAME_AGAIN: Duration = Duration::from_secs(30);

/// A publisher that is a command.
#[derive(Clone)]
pub struct CommandPublisher(Arc<Inner>);

struct Inner {
    name: String,
    publish: Program,
    restart: Option<NodeRestart>,
    kept: Arc<Kept>,
    /// This process, as an intent names it.
    me: String,
    job: Job,
}

/// What lies in the store for it.
#[derive(Serialize, Deserialize, Default)]
struct Record {
    /// What the command has published.
    #[serde(flatten)]
    held: Stored,
    /// What it is about to publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
}

#[derive(Serialize, Deserialize)]
struct Pending {
    #[serde(flatten)]
    wanted: Stored,
    operation: String,
    /// Who runs the command, and since when.
    by: String,
    began_at: Time,
}

impl CommandPublisher {
    /// Under its name, for the deployment at this path of the store.
    pub fn new(
        name: String,
        publish: Program,
        restart: Option<NodeRestart>,
        store: Arc<Store>,
        deployment: &str,
    ) -> CommandPublisher {
        let kept = Arc::new(Kept::new(store, format!("{deployment}/published/{name}")));
        let me = random::write_id().0;
        CommandPublisher(Arc::new(Inner { name, publish, restart, kept, me, job: Job::default() }))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn node_restart(&self) -> Option<&NodeRestart> {
        self.0.restart.as_ref()
    }

    pub(super) async fn tidy(&self) -> Result<(), PublishError> {
        self.0.kept.tidy().await
    }

    pub(super) async fn read(&self) -> Result<Publication, PublishError> {
        let (record, _) = self.0.kept.read::<Record>().await?;
        self.held(&record.unwrap_or_default())
    }

    /// While an intent is open nobody knows which of the two its target holds: so it counts as just changed.
    fn held(&self, record: &Record) -> Result<Publication, PublishError> {
        let held = record.held.publication().map_err(|why| self.unreadable(&why))?;
        let changed_at = held.changed_at.filter(|_| record.pending.is_none());
        Ok(Publication { changed_at, ..held })
    }

    pub(super) async fn replace(
        &self,
        there: &Publication,
        wanted: &Publication,
    ) -> Result<(), PublishError> {
        if let Some((_, outcome)) = self.0.job.outcome().await {
            return outcome;
        }
        let (record, expected) = self.0.kept.read::<Record>().await?;
        let record = record.unwrap_or_default();
        if self.held(&record)? != *there {
            return Err(PublishError::Changed);
        }
        let Some(pending) = record.pending else {
            if wanted.same_keys(there) {
                // The same keys under a newer vector or with a date: nothing changes for who reads them.
                let record = Record { held: Stored::new(wanted), pending: None };
                return self.0.kept.write(&record, expected).await.map(|_| ());
            }
            let operation = operation(&wanted.vector);
            return self.carry_out(record.held, wanted.clone(), operation, expected).await;
        };
        let begun = pending.wanted.publication().map_err(|why| self.unreadable(&why))?;
        // The very same operation until it has succeeded, unless it would bring keys that are not wanted any more.
        let (next, operation, others_turn) = if wanted.same_keys(&begun) {
            (begun.clone(), pending.operation, self.0.publish.limit.min(SAME_AGAIN))
        } else {
            // Two that bring different keys must never run at once: the older one might come last.
            (wanted.clone(), operation(&wanted.vector), self.0.publish.limit + LONGEST_CLOCK_SKEW)
        };
        let is_others = pending.by != self.0.me && clock::now() < pending.began_at + others_turn;
        if is_others || wanted.vector.is_behind(&begun.vector) {
            return Err(PublishError::UnderWay);
        }
        self.carry_out(record.held, next, operation, expected).await
    }

    /// Writes the intent, runs the command, and writes that it is done.
    async fn carry_out(
        &self,
        held: Stored,
        wanted: Publication,
        operation: String,
        expected: Expected,
    ) -> Result<(), PublishError> {
        let pending = Pending {
            wanted: Stored::new(&wanted),
            operation: operation.clone(),
            by: self.0.me.clone(),
            began_at: clock::now(),
        };
        let version = self.0.kept.write(&Record { held, pending: Some(pending) }, expected).await?;
        let (inner, of) = (Arc::clone(&self.0), operation.clone());
        tracing::info!(publisher = inner.name, operation, "running {}", inner.publish);
        let work = async move {
            let input = Input {
                variables: vec![("LIVEKIT_KEYD_OPERATION", operation.as_str())],
                stdin: Zeroizing::new(yaml::write(&wanted).as_bytes().to_vec()),
                secrets: wanted.keys.iter().map(|(_, secret)| secret.clone()).collect(),
            };
            let ran = inner.publish.run(input).await;
            ran.map_err(|why| PublishError::Failed(format!("`{}` was not published: {why}", inner.name)))?;
            let record = Record { held: Stored::new(&wanted), pending: None };
            inner.kept.write(&record, Expected::Version(version)).await.map(|_| ())
        };
        self.0.job.run(of, work).await
    }

    fn unreadable(&self, why: &str) -> PublishError {
        PublishError::Failed(format!(
            "what `{}` has published cannot be read at {} in the store: {why}; delete what lies there, and it is published anew",
            self.0.name,
            self.0.kept.path()
        ))
    }
}

impl fmt::Debug for CommandPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandPublisher")
            .field("name", &self.0.name)
            .field("publish", &self.0.publish)
            .finish()
    }
}

/// The same for the same documents, whoever derives it.
fn operation(vector: &Vector) -> String {
    let part =
        |(keyset, (Lineage(lineage), seq)): (&String, &(Lineage, u64))| format!("{keyset}.{lineage}.{seq}");
    vector.0.iter().map(part).collect::<Vec<_>>().join("+")
}
