//! Where documents and secrets lie: Vault's KV v2, or a folder of files with the same layout and semantics.

mod error;
pub mod file;
mod health;
pub mod vault;

pub use error::StoreError;
pub use file::FileStore;
pub use health::Health;
pub use vault::VaultStore;

use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::report::StoreStatus;

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// A value.
    Value {
        /// For check-and-set.
        version: u64,
        /// What was written.
        value: T,
    },
    /// Nothing now, though something was there.
    Deleted {
        /// For check-and-set.
        version: u64,
    },
    /// Nothing, and nothing ever was.
    Absent,
}

/// What a write expects to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing was ever there.
    Absent,
    /// This version is the current one.
    Version(u64),
}

/// One kind of store.
pub enum Backend {
    /// A folder.
    File(FileStore),
    /// Vault or OpenBao.
    Vault(Box<VaultStore>),
}

/// The store that a process is configured with. Every call is watched.
pub struct Store {
    backend: Backend,
    health: Health,
}

impl Store {
    /// Over a backend.
    pub fn new(backend: Backend, health: Health) -> Store {
        Store { backend, health }
    }

    /// What lies at a path.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<Found<T>, StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(store) => store.read(path).await,
            Backend::Vault(store) => store.read(path).await,
        };
        self.watched("read", began, result)
    }

    /// Writes if what is there is as expected, and returns the new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not; else as [`StoreError`] says.
    pub async fn write<T: Serialize + Sync>(
        &self,
        path: &str,
        value: &T,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(store) => store.write(path, value, expected).await,
            Backend::Vault(store) => store.write(path, value, expected).await,
        };
        self.watched("write", began, result)
    }

    /// The names directly in a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(store) => store.list(folder).await,
            Backend::Vault(store) => store.list(folder).await,
        };
        self.watched("list", began, result)
    }

    /// Versions below the current one that can still be read. A file is replaced whole and has none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn older_versions(&self, path: &str) -> Result<Vec<u64>, StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(_) => Ok(Vec::new()),
            Backend::Vault(store) => store.older_versions(path).await,
        };
        self.watched("versions", began, result)
    }

    /// Destroys versions for good.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn destroy(&self, path: &str, versions: &[u64]) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(_) => Ok(()),
            Backend::Vault(store) => store.destroy(path, versions).await,
        };
        self.watched("destroy", began, result)
    }

    /// Removes a path with all its versions.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(store) => store.remove(path).await,
            Backend::Vault(store) => store.remove(path).await,
        };
        self.watched("remove", began, result)
    }

    /// Sees to it that a path can be written by check-and-set only and never expires, where that is permitted.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn protect(&self, path: &str) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(_) => Ok(()),
            Backend::Vault(store) => store.protect(path).await,
        };
        self.watched("protect", began, result)
    }

    /// How it has answered lately.
    pub fn status(&self) -> StoreStatus {
        let kind = match &self.backend {
            Backend::File(_) => "file",
            Backend::Vault(_) => "vault",
        };
        self.health.status(kind)
    }

    /// What is unsafe about a path's settings, with the command that mends it; nothing if all is well.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn unprotected(&self, path: &str) -> Result<Option<String>, StoreError> {
        let Backend::Vault(store) = &self.backend else { return Ok(None) };
        let began = Instant::now();
        let protection = self.watched("protection", began, store.protection(path).await)?;
        let Some(protection) = protection else { return Ok(None) };
        let expires = !matches!(protection.delete_version_after.as_str(), "0s" | "0" | "");
        let what = match (protection.cas_required, expires) {
            (true, false) => return Ok(None),
            (false, false) => "can be written without check-and-set".to_owned(),
            (true, true) => format!("vanishes {} after it was written", protection.delete_version_after),
            (false, true) => format!(
                "can be written without check-and-set, and vanishes {} after it was written",
                protection.delete_version_after
            ),
        };
        Ok(Some(format!("{path} {what}; run `{}`", store.protect_command(path))))
    }

    /// How the login stands, where there is one.
    pub fn session(&self) -> Option<vault::SessionStatus> {
        match &self.backend {
            Backend::File(_) => None,
            Backend::Vault(store) => Some(store.session()),
        }
    }

    fn watched<T>(&self, op: &str, began: Instant, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.health.saw(op, began, &result);
        result
    }
}
