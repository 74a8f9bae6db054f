//! The store's own publication, for nodes that are given their keys by Vault Agent, External Secrets and the like.

use std::fmt;
use std::sync::Arc;

use livekit_keyd_core::plan::Publication;

use super::PublishError;
use super::kept::Kept;
use super::stored::Stored;
use crate::store::Store;

/// Its name: no `[[publish]]` may have it.
pub const NAME: &str = "store";

/// What lies at `<deployment path>/nodes`. Every rotator keeps it.
#[derive(Clone)]
pub struct StorePublisher {
    kept: Arc<Kept>,
}

impl StorePublisher {
    /// For the deployment at this path of the store.
    pub fn new(store: Arc<Store>, deployment: &str) -> StorePublisher {
        StorePublisher { kept: Arc::new(Kept::new(store, format!("{deployment}/nodes"))) }
    }

    pub(super) async fn read(&self) -> Result<Publication, PublishError> {
        let (stored, _) = self.kept.read::<Stored>().await?;
        self.publication(stored)
    }

    pub(super) async fn replace(
        &self,
        there: &Publication,
        wanted: &Publication,
    ) -> Result<(), PublishError> {
        let (stored, expected) = self.kept.read::<Stored>().await?;
        if self.publication(stored)? != *there {
            return Err(PublishError::Changed);
        }
        self.kept.write(&Stored::new(wanted), expected).await.map(|_| ())
    }

    pub(super) async fn tidy(&self) -> Result<(), PublishError> {
        self.kept.tidy().await
    }

    fn publication(&self, stored: Option<Stored>) -> Result<Publication, PublishError> {
        stored.unwrap_or_default().publication().map_err(|why| {
            PublishError::Failed(format!(
                "`keys.yaml` at {} in the store is not LiveKit's map of ids to secrets: {why}; mend it, or delete what lies there",
                self.kept.path()
            ))
        })
    }
}

impl fmt::Debug for StorePublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StorePublisher").field(&self.kept.path()).finish()
    }
}
