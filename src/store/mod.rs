//! Where documents and secrets lie: Vault's KV v2, or a folder of files with the same layout and semantics.

mod error;
pub mod file;
mod health;
pub mod path;
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
        path::check(path)?;
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(store) => store.read(path).await,
            Backend::Vault(store) => store.read(path).await,
        };
        self.watched("read", began, result)
    }

    /// Writes if what is there is as expected, and returns the new version. The value must be an object: Vault keeps
    /// nothing else.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not; else as [`StoreError`] says.
    pub async fn write<T: Serialize + Sync>(
        &self,
        path: &str,
        value: &T,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        path::check(path)?;
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
        path::check(folder)?;
        let began = Instant::now();
        let result = match &self.backend {
            Backend::File(store) => store.list(folder).await,
            Backend::Vault(store) => store.list(folder).await,
        };
        let names = self.watched("list", began, result)?;
        // What has another name was put there by somebody else.
        Ok(names.into_iter().filter(|name| path::is_sound_part(name)).collect())
    }

    /// Versions below the current one that can still be read. A file is replaced whole and has none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn older_versions(&self, path: &str) -> Result<Vec<u64>, StoreError> {
        path::check(path)?;
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
        path::check(path)?;
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
        path::check(path)?;
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
        path::check(path)?;
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
        let mut status = self.health.status(kind);
        // A login that cannot be renewed is bad news before the first call fails.
        status.message = status.message.or_else(|| Some(self.session()?.failure?.error.to_string()));
        status
    }

    /// What is unsafe about a path's settings, with the command that mends it; nothing if all is well.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn unprotected(&self, path: &str) -> Result<Option<String>, StoreError> {
        path::check(path)?;
        let Backend::Vault(store) = &self.backend else { return Ok(None) };
        let began = Instant::now();
        let protection = self.watched("protection", began, store.protection(path).await)?;
        Ok(protection.and_then(|protection| unsafety(&protection, path, store)))
    }

    /// How the login stands, where there is one.
    pub fn session(&self) -> Option<vault::SessionStatus> {
        match &self.backend {
            Backend::File(_) => None,
            Backend::Vault(store) => Some(store.session()),
        }
    }

    /// Tells when the login may stand otherwise, where there is one.
    pub fn session_changes(&self) -> Option<vault::Changes> {
        match &self.backend {
            Backend::File(_) => None,
            Backend::Vault(store) => Some(store.session_changes()),
        }
    }

    /// Whether there is a login, waiting a little for the first one. A folder of files needs none.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn log_in(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::File(_) => Ok(()),
            Backend::Vault(store) => store.log_in().await,
        }
    }

    /// What this login may do at paths as Vault's policies have them; nothing is known of a folder of files.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn capabilities(&self, paths: &[String]) -> Result<vault::Capabilities, StoreError> {
        let Backend::Vault(store) = &self.backend else { return Ok(vault::Capabilities::new()) };
        let began = Instant::now();
        self.watched("capabilities", began, store.capabilities(paths).await)
    }

    /// The time by the clock of the server, as it writes it in the header `Date`, if there is one that says it.
    pub async fn date(&self) -> Option<String> {
        match &self.backend {
            Backend::File(_) => None,
            Backend::Vault(store) => store.date().await,
        }
    }

    fn watched<T>(&self, op: &str, began: Instant, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.health.saw(op, began, &result);
        result
    }
}

fn unsafety(protection: &vault::Protection, path: &str, store: &VaultStore) -> Option<String> {
    let after = protection.delete_version_after.as_str();
    let own_end =
        (!matches!(after, "0s" | "0" | "")).then(|| format!("vanishes {after} after it was written"));
    let blind = (!protection.cas_required).then(|| "can be written without check-and-set".to_owned());
    let own: Vec<String> = blind.into_iter().chain(own_end.clone()).collect();
    let mut sentences = Vec::new();
    if !own.is_empty() {
        sentences.push(format!("{path} {}: run `{}`", own.join(" and "), store.protect_command(path)));
    }
    // Its own settings do not say so any more, or never did.
    if let (Some(at), None) = (&protection.vanishes_at, own_end) {
        sentences.push(format!(
            "what lies at {path} vanishes at {at}, as its path or its mount said when it was written: run `{}` if the mount still says so, and have it written once more",
            store.keep_command()
        ));
    }
    (!sentences.is_empty()).then(|| sentences.join("; "))
}
