//! The one key that egress, ingress, SIP and agents read, beside its keyset's document.

use std::sync::Arc;

use livekit_keyd_core::document::Lineage;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::ClientKey;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use serde::{Deserialize, Serialize};

use super::PublishError;
use super::job::Job;
use super::kept::Kept;
use super::process::{Input, Program};
use crate::clock;
use crate::keyset::Keyset;
use crate::store::Store;

/// A keyset's client credentials, and who is told when they have changed.
pub struct ClientPublisher {
    name: String,
    kept: Kept,
    on_change: Option<Arc<Program>>,
    job: Job,
}

/// What lies there.
#[derive(Serialize, Deserialize, Default)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key: Option<KeyId>,
    #[serde(default, with = "livekit_keyd_core::secret::exposed")]
    api_secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<(Lineage, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<Time>,
}

impl ClientPublisher {
    /// For a keyset.
    pub fn new(store: Arc<Store>, keyset: &Keyset, on_change: Option<Program>) -> ClientPublisher {
        ClientPublisher {
            name: format!("{}/client", keyset.name),
            kept: Kept::new(store, keyset.client_path()),
            on_change: on_change.map(Arc::new),
            job: Job::default(),
        }
    }

    /// Its name in logs and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What dependents are given; nothing, where nothing was published yet.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read(&self) -> Result<ClientKey, PublishError> {
        Ok(self.kept.read::<Stored>().await?.0.unwrap_or_default().into())
    }

    /// Replaces what it held when it was read. A change is dated after `on_change` was told of it.
    ///
    /// # Errors
    /// As [`super::Publisher::replace`] has it.
    pub async fn replace(&self, there: &ClientKey, wanted: &ClientKey) -> Result<(), PublishError> {
        let mut wanted = Stored::from(wanted);
        if wanted.changed_at.is_some() && self.on_change.is_some() {
            self.tell(&wanted).await?;
            // The plan's moment was before they were told; what they made in between lives on for as long.
            wanted.changed_at = Some(clock::now());
        }
        let (stored, expected) = self.kept.read::<Stored>().await?;
        if ClientKey::from(stored.unwrap_or_default()) != *there {
            return Err(PublishError::Changed);
        }
        self.kept.write(&wanted, expected).await.map(|_| ())
    }

    /// Destroys what the store still has of keys before, once after each change.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn tidy(&self) -> Result<(), PublishError> {
        self.kept.tidy().await
    }

    async fn tell(&self, wanted: &Stored) -> Result<(), PublishError> {
        let Some(program) = self.on_change.clone() else { return Ok(()) };
        let operation = wanted.document.as_ref().map(|(Lineage(lineage), seq)| format!("{lineage}.{seq}"));
        let operation = format!("{}.{}", self.name.replace('/', "."), operation.unwrap_or_default());
        match self.job.outcome().await {
            Some((done, Ok(()))) if done != operation => {}
            Some((_, outcome)) => return outcome,
            None => {}
        }
        let (name, of) = (self.name.clone(), operation.clone());
        tracing::info!(client = name, operation, "running {program}");
        let work = async move {
            let variables = vec![("LIVEKIT_KEYD_OPERATION", operation.as_str())];
            let ran = program.run(Input { variables, ..Input::default() }).await;
            ran.map_err(|why| {
                PublishError::Failed(format!("`{name}` has changed, and dependents were not told: {why}"))
            })
        };
        self.job.run(of, work).await
    }
}

impl From<Stored> for ClientKey {
    fn from(stored: Stored) -> ClientKey {
        ClientKey {
            key: stored.api_key.zip(stored.api_secret),
            document: stored.document,
            changed_at: stored.changed_at,
        }
    }
}

impl From<&ClientKey> for Stored {
    fn from(client: &ClientKey) -> Stored {
        let (api_key, api_secret) = client.key.clone().unzip();
        Stored { api_key, api_secret, document: client.document.clone(), changed_at: client.changed_at }
    }
}
