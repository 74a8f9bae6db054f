//! HashiCorp Vault or OpenBao: the KV secrets engine, version 2.
//!
//! Each call has a time limit. What was refused and what could not be reached stay
//! different, as only one of them is worth another try; and the server's own words
//! reach the operator.

mod backoff;
mod client;
mod config;
mod explain;
mod login;
mod session;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vaultrs::api::{self, kv2::requests};
use vaultrs::error::ClientError;
use vaultrs::{client::VaultClient, kv2};

pub use config::{VaultAuth, VaultConfig};
pub use session::SessionStatus;

use super::{Expected, Found, StoreError};
use explain::{Attempt, explain};
use session::Session;

/// A mount of the KV secrets engine.
pub struct VaultStore {
    config: VaultConfig,
    session: Session,
}

/// What a path's metadata says of its safety.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Writes without check-and-set are refused.
    pub cas_required: bool,
    /// After how long versions vanish by themselves; `0s` for never.
    pub delete_version_after: String,
}

impl VaultStore {
    /// Ready to be used: the login goes on by itself, and is told of by `status`.
    ///
    /// # Errors
    /// The address or a certificate cannot be used.
    pub fn open(config: VaultConfig) -> Result<VaultStore, StoreError> {
        let session = Session::start(config.clone())?;
        Ok(VaultStore { config, session })
    }

    /// How the login stands.
    pub fn session(&self) -> SessionStatus {
        self.session.status()
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Found<T>, StoreError> {
        let attempt = self.attempt("read", path);
        let client = self.session.client().await?;
        let answer = self.read_once(&client, path).await;
        let answer = match self.again(&client, &answer).await {
            Some(client) => self.read_once(&client, path).await,
            None => answer,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return gone(&error, attempt).unwrap_or_else(|| Err(explain(error, attempt))),
        };
        let version = answer.metadata.version;
        let value = serde_json::from_value(answer.data).map_err(|error| {
            // Its words may quote what was read.
            let place =
                if error.is_data() { "a field is missing or of another type" } else { "it is no JSON" };
            explain::malformed(attempt, place)
        })?;
        Ok(Found::Value { version, value })
    }

    async fn read_once(
        &self,
        client: &VaultClient,
        path: &str,
    ) -> Result<api::kv2::responses::ReadSecretResponse, ClientError> {
        let endpoint = requests::ReadSecretRequest {
            mount: self.config.mount.clone(),
            path: path.to_owned(),
            version: None,
        };
        api::exec_with_result(client, endpoint).await
    }

    pub(super) async fn write<T: Serialize>(
        &self,
        path: &str,
        value: &T,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        let attempt = self.attempt("write", path);
        let data =
            serde_json::to_value(value).map_err(|error| explain::malformed(attempt, &error.to_string()))?;
        let version = match expected {
            Expected::Absent => 0,
            Expected::Version(version) => version,
        };
        let cas =
            u32::try_from(version).map_err(|_| explain::malformed(attempt, "its version is beyond 2^32"))?;
        let write = |client: std::sync::Arc<VaultClient>| {
            let options = requests::SetSecretRequestOptions { cas };
            let mount = self.config.mount.clone();
            let endpoint = requests::SetSecretRequest {
                mount,
                path: path.to_owned(),
                data: data.clone(),
                options: Some(options),
            };
            async move { api::exec_with_result(&*client, endpoint).await }
        };
        self.call(attempt, write).await.map(|written| written.version)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let attempt = self.attempt("list", folder);
        let list = |client: std::sync::Arc<VaultClient>| async move {
            match kv2::list(&*client, &self.config.mount, folder).await {
                // There is no such folder, so there is nothing in it.
                Err(error) if explain::is_not_found(&error) => Ok(Vec::new()),
                listed => listed,
            }
        };
        let mut names = self.call(attempt, list).await?;
        names.retain(|name| !name.ends_with('/'));
        names.sort();
        Ok(names)
    }

    pub(super) async fn older_versions(&self, path: &str) -> Result<Vec<u64>, StoreError> {
        let attempt = self.attempt("read the versions of", path);
        let read = |client: std::sync::Arc<VaultClient>| async move {
            kv2::read_metadata(&*client, &self.config.mount, path).await
        };
        let metadata = self.call(attempt, read).await?;
        let living = metadata.versions.iter().filter(|(_, version)| !version.destroyed);
        let numbers = living.filter_map(|(number, _)| number.parse().ok());
        let mut older: Vec<u64> = numbers.filter(|version| *version < metadata.current_version).collect();
        older.sort_unstable();
        Ok(older)
    }

    pub(super) async fn destroy(&self, path: &str, versions: &[u64]) -> Result<(), StoreError> {
        let attempt = self.attempt("destroy older versions of", path);
        let destroy = |client: std::sync::Arc<VaultClient>| async move {
            kv2::destroy_versions(&*client, &self.config.mount, path, versions.to_vec()).await
        };
        self.call(attempt, destroy).await
    }

    pub(super) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let attempt = self.attempt("remove", path);
        let remove = |client: std::sync::Arc<VaultClient>| async move {
            kv2::delete_metadata(&*client, &self.config.mount, path).await
        };
        self.call(attempt, remove).await
    }

    pub(super) async fn protect(&self, path: &str) -> Result<(), StoreError> {
        let attempt = self.attempt("set the metadata of", path);
        let protect = |client: std::sync::Arc<VaultClient>| async move {
            let endpoint = requests::SetSecretMetadataRequest {
                mount: self.config.mount.clone(),
                path: path.to_owned(),
                cas_required: Some(true),
                delete_version_after: Some("0s".to_owned()),
                ..requests::SetSecretMetadataRequest::default()
            };
            api::exec_with_empty(&*client, endpoint).await
        };
        self.call(attempt, protect).await
    }

    pub(super) async fn protection(&self, path: &str) -> Result<Option<Protection>, StoreError> {
        let attempt = self.attempt("read the metadata of", path);
        let read = |client: std::sync::Arc<VaultClient>| async move {
            match kv2::read_metadata(&*client, &self.config.mount, path).await {
                Err(error) if explain::is_not_found(&error) => Ok(None),
                read => read.map(Some),
            }
        };
        let metadata = self.call(attempt, read).await?;
        Ok(metadata.map(|metadata| Protection {
            cas_required: metadata.cas_required,
            delete_version_after: metadata.delete_version_after,
        }))
    }

    /// The command that makes a path safe.
    pub(super) fn protect_command(&self, path: &str) -> String {
        format!(
            "vault kv metadata put -mount={} -cas-required=true -delete-version-after=0s {path}",
            self.config.mount
        )
    }

    /// One call, and once more with a fresh login if the token was refused.
    async fn call<T, F>(
        &self,
        attempt: Attempt<'_>,
        call: impl Fn(std::sync::Arc<VaultClient>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let client = self.session.client().await?;
        let answer = call(std::sync::Arc::clone(&client)).await;
        let answer = match self.again(&client, &answer).await {
            Some(client) => call(client).await,
            None => answer,
        };
        answer.map_err(|error| explain(error, attempt))
    }

    /// Another client, if the answer may mean that this one's token has ended.
    async fn again<T>(
        &self,
        client: &std::sync::Arc<VaultClient>,
        answer: &Result<T, ClientError>,
    ) -> Option<std::sync::Arc<VaultClient>> {
        let refused = answer.as_ref().err().is_some_and(explain::is_forbidden);
        if refused { self.session.renewed(client).await } else { None }
    }

    fn attempt<'a>(&'a self, verb: &'static str, path: &'a str) -> Attempt<'a> {
        Attempt {
            verb,
            path,
            mount: &self.config.mount,
            address: &self.config.address,
            timeout: self.config.timeout,
        }
    }
}

/// A path without a current version answers 404; if there was one, with its metadata.
fn gone<T>(error: &ClientError, attempt: Attempt<'_>) -> Option<Result<Found<T>, StoreError>> {
    if !explain::is_not_found(error) {
        return None;
    }
    Some(match explain::deleted_version(error) {
        Some(version) => Ok(Found::Deleted { version }),
        None if explain::is_missing_mount(error) => {
            let what = format!(
                "there is no KV version 2 secrets engine at `{}`: check [store.vault] mount",
                attempt.mount
            );
            Err(StoreError::Refused { sentence: what })
        }
        None => Ok(Found::Absent),
    })
}

/// How long a caller waits for the first login.
const FIRST_LOGIN: Duration = Duration::from_secs(5);
