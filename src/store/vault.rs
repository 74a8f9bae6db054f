//! HashiCorp Vault or OpenBao: the KV secrets engine, version 2.
//!
//! Each call has a time limit. What was refused and what could not be reached stay
//! different, as only one of them is worth another try; and the server's own words
//! reach the operator.

mod capabilities;
mod client;
mod config;
mod credential;
mod explain;
mod login;
mod packed;
mod session;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vaultrs::api::{self, kv2::requests};
use vaultrs::error::ClientError;
use vaultrs::{client::VaultClient, kv2};

pub use capabilities::Capabilities;
pub use config::{VaultAuth, VaultConfig};
pub use login::LoginFailure;
pub use session::{Changes, SessionStatus};

use super::{Expected, Found, StoreError};
use explain::{Attempt, Doing, explain};
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
    /// After how long versions vanish by themselves; `0s` for never, unless the mount says so.
    pub delete_version_after: String,
    /// When the current version will vanish, whoever said so.
    pub vanishes_at: Option<String>,
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

    /// Tells when [`VaultStore::session`] may say something else.
    pub fn session_changes(&self) -> Changes {
        self.session.changes()
    }

    pub(super) async fn log_in(&self) -> Result<(), StoreError> {
        self.session.client().await.map(drop)
    }

    /// Of any answer, over a connection of its own.
    pub(super) async fn date(&self) -> Option<String> {
        let identity = match &self.config.auth {
            VaultAuth::Cert { certificate, key, .. } => credential::identity(certificate, key).await.ok(),
            _ => None,
        };
        client::Transport::new(&self.config, identity).ok()?.date().await
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Found<T>, StoreError> {
        let attempt = self.attempt("read", path);
        let read = |client: Arc<VaultClient>| async move {
            let (mount, path) = (self.config.mount.clone(), path.to_owned());
            let endpoint = requests::ReadSecretRequest { mount, path, version: None };
            match api::exec_with_result(&*client, endpoint).await {
                Err(error) if explain::is_absent(&error) => Ok(Found::Absent),
                Err(error) => match explain::deleted_version(&error) {
                    Some(version) => Ok(Found::Deleted { version }),
                    None => Err(error),
                },
                Ok(answer) => Ok(Found::Value { version: answer.metadata.version, value: answer.data }),
            }
        };
        let (version, value): (u64, serde_json::Value) = match self.call(attempt, read).await? {
            Found::Value { version, value } => (version, value),
            Found::Deleted { version } => return Ok(Found::Deleted { version }),
            Found::Absent => return Ok(Found::Absent),
        };
        let value = serde_json::from_value(packed::unpack(value)).map_err(|error| {
            // Its words may quote what was read.
            let place =
                if error.is_data() { "a field is missing or of another type" } else { "it is no JSON" };
            explain::malformed(attempt, place)
        })?;
        Ok(Found::Value { version, value })
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
        let data = packed::pack(data);
        let version = match expected {
            Expected::Absent => 0,
            Expected::Version(version) => version,
        };
        let cas =
            u32::try_from(version).map_err(|_| explain::malformed(attempt, "its version is beyond 2^32"))?;
        let write = |client: Arc<VaultClient>| {
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
        let list = |client: Arc<VaultClient>| async move {
            match kv2::list(&*client, &self.config.mount, folder).await {
                // There is no such folder, so there is nothing in it.
                Err(error) if explain::is_absent(&error) => Ok(Vec::new()),
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
        let metadata = self.call(attempt, |client| self.metadata(client, path)).await?;
        let Some(metadata) = metadata else { return Ok(Vec::new()) };
        let living = metadata.versions.iter().filter(|(_, version)| !version.destroyed);
        let numbers = living.filter_map(|(number, _)| number.parse().ok());
        let mut older: Vec<u64> = numbers.filter(|version| *version < metadata.current_version).collect();
        older.sort_unstable();
        Ok(older)
    }

    pub(super) async fn destroy(&self, path: &str, versions: &[u64]) -> Result<(), StoreError> {
        let attempt = self.attempt("destroy older versions of", path);
        let destroy = |client: Arc<VaultClient>| async move {
            kv2::destroy_versions(&*client, &self.config.mount, path, versions.to_vec()).await
        };
        self.call(attempt, destroy).await
    }

    pub(super) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let attempt = self.attempt("remove", path);
        let remove = |client: Arc<VaultClient>| async move {
            kv2::delete_metadata(&*client, &self.config.mount, path).await
        };
        self.call(attempt, remove).await
    }

    pub(super) async fn protect(&self, path: &str) -> Result<(), StoreError> {
        let attempt = self.attempt("set the metadata of", path);
        let protect = |client: Arc<VaultClient>| async move {
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
        let metadata = self.call(attempt, |client| self.metadata(client, path)).await?;
        Ok(metadata.map(|metadata| {
            let current = metadata.versions.get(&metadata.current_version.to_string());
            let ends = current.filter(|version| !version.deletion_time.is_empty());
            Protection {
                cas_required: metadata.cas_required,
                delete_version_after: metadata.delete_version_after,
                vanishes_at: ends.map(|version| version.deletion_time.clone()),
            }
        }))
    }

    /// Nothing for a path that has none.
    async fn metadata(
        &self,
        client: Arc<VaultClient>,
        path: &str,
    ) -> Result<Option<api::kv2::responses::ReadSecretMetadataResponse>, ClientError> {
        match kv2::read_metadata(&*client, &self.config.mount, path).await {
            Err(error) if explain::is_absent(&error) => Ok(None),
            read => read.map(Some),
        }
    }

    /// The command that makes a path safe.
    pub(super) fn protect_command(&self, path: &str) -> String {
        format!(
            "vault kv metadata put -mount={} -cas-required=true -delete-version-after=0s {path}",
            self.config.mount
        )
    }

    /// The command that keeps all paths of the mount from vanishing.
    pub(super) fn keep_command(&self) -> String {
        format!("vault write {}/config delete_version_after=0s", self.config.mount)
    }

    /// One call, and once more with a fresh login if the token was refused.
    async fn call<T, F>(
        &self,
        attempt: Attempt<'_>,
        call: impl Fn(Arc<VaultClient>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let client = self.session.client().await?;
        let answer = match call(Arc::clone(&client)).await {
            Err(error) if explain::is_forbidden(&error) => match self.session.after_refusal(&client).await? {
                Some(client) => call(client).await,
                None => Err(error),
            },
            answer => answer,
        };
        answer.map_err(|error| explain(error, attempt))
    }

    fn attempt<'a>(&'a self, verb: &'static str, path: &'a str) -> Attempt<'a> {
        Attempt {
            doing: Doing::Path { verb, mount: &self.config.mount, path },
            address: &self.config.address,
            timeout: self.config.timeout,
        }
    }
}

/// How long a caller waits for the first login.
const FIRST_LOGIN: Duration = Duration::from_secs(5);
