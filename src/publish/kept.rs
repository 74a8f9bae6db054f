//! A value with secrets in the store: replaced by check-and-set, its older versions destroyed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::PublishError;
use crate::store::{Expected, Found, Store, StoreError};

/// The place of such a value.
pub(super) struct Kept {
    store: Arc<Store>,
    path: String,
    /// The version that was read or written last.
    current: AtomicU64,
    /// The version below which nothing is left.
    clean: AtomicU64,
}

impl Kept {
    pub(super) fn new(store: Arc<Store>, path: String) -> Kept {
        Kept { store, path, current: AtomicU64::new(0), clean: AtomicU64::new(0) }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What is there, and what a write that replaces it expects.
    pub(super) async fn read<T>(&self) -> Result<(Option<T>, Expected), PublishError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (value, version) = match self.store.read::<T>(&self.path).await.map_err(failed)? {
            Found::Value { version, value } => (Some(value), version),
            Found::Deleted { version } => (None, version),
            Found::Absent => return Ok((None, Expected::Absent)),
        };
        self.current.store(version, Ordering::Relaxed);
        Ok((value, Expected::Version(version)))
    }

    /// Replaces what was expected; the version that it has then.
    pub(super) async fn write<T>(&self, value: &T, expected: Expected) -> Result<u64, PublishError>
    where
        T: Serialize + Sync,
    {
        if expected == Expected::Absent
            && let Err(error) = self.store.protect(&self.path).await
        {
            tracing::warn!(path = self.path, "the path's settings could not be made safe: {error}");
        }
        let version = self.store.write(&self.path, value, expected).await.map_err(failed)?;
        self.current.store(version, Ordering::Relaxed);
        Ok(version)
    }

    /// Destroys what the store still has of older values, once after each change.
    pub(super) async fn tidy(&self) -> Result<(), PublishError> {
        let current = self.current.load(Ordering::Relaxed);
        if current == self.clean.load(Ordering::Relaxed) {
            return Ok(());
        }
        let older = self.store.older_versions(&self.path).await.map_err(failed)?;
        if !older.is_empty() {
            tracing::info!(path = self.path, versions = ?older, "destroying older versions of a publication");
            self.store.destroy(&self.path, &older).await.map_err(failed)?;
        }
        self.clean.store(current, Ordering::Relaxed);
        Ok(())
    }
}

fn failed(error: StoreError) -> PublishError {
    match error {
        StoreError::Conflict => PublishError::Changed,
        error => PublishError::Failed(error.to_string()),
    }
}
