//! How Vault is reached; the names are Vault Agent's.

use std::path::PathBuf;
use std::time::Duration;

/// `[store.vault]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultConfig {
    /// Like `https://vault.example.com:8200`.
    pub address: String,
    /// Where the KV secrets engine, version 2, is mounted.
    pub mount: String,
    /// Vault's namespace, if any.
    pub namespace: Option<String>,
    /// The CA that signed the server's certificate, in PEM; the system's when left out.
    pub ca_cert: Option<PathBuf>,
    /// The name in the server's certificate, where it is not the address's host.
    pub tls_server_name: Option<String>,
    /// For each call.
    pub timeout: Duration,
    /// How to log in.
    pub auth: Auth,
}

/// `[store.vault.auth]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A token in an environment variable.
    Token {
        /// The variable's name.
        env: String,
    },
    /// A token in a file, read anew at each login.
    TokenFile {
        /// The file.
        path: PathBuf,
    },
    /// Role id and secret id.
    AppRole(AppRole),
}

/// The AppRole method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRole {
    /// Where the method is mounted, usually `approle`.
    pub mount_path: String,
    /// A file with the role id.
    pub role_id_file_path: PathBuf,
    /// A file with the secret id, or with the token that wraps it.
    pub secret_id_file_path: PathBuf,
    /// Set when the file has a wrapping token: the path that it must have been made at.
    pub secret_id_response_wrapping_path: Option<String>,
}
