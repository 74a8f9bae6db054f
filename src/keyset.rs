//! A keyset as this process is configured for it, and where it lies in the store.

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::rules::Rules;

/// A keyset that this process knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyset {
    /// Its name.
    pub name: String,
    /// The path of its document in the store.
    pub path: String,
    /// The rules that the configuration has for it.
    pub rules: Rules,
    /// The configuration's number.
    pub revision: Option<u64>,
    /// Where others put the key that is to sign; `None` where keys are made here.
    pub source: Option<Source>,
}

/// A path in the store that others write and nobody here does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path.
    pub path: String,
    /// The field with the key's id.
    pub key_field: String,
    /// The field with its secret.
    pub secret_field: String,
}

impl Keyset {
    /// Whether others make its keys.
    pub fn is_external(&self) -> bool {
        self.source.is_some()
    }

    /// The folder of secrets that are not committed yet: for rotators only.
    pub fn standby_folder(&self) -> String {
        format!("{}/standby", self.path)
    }

    /// Where dependents that read one key find it.
    pub fn client_path(&self) -> String {
        format!("{}/client", self.path)
    }

    /// Where the secret of one standby lies.
    pub fn standby_path(&self, id: &KeyId) -> String {
        format!("{}/standby/{id}", self.path)
    }
}
