//! How Vault is reached; the names are Vault Agent's.

use std::path::PathBuf;
use std::time::Duration;

/// A Vault or OpenBao server with a KV v2 mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultConfig {
    /// Its address, without a slash at the end.
    pub address: String,
    /// Where KV v2 is mounted.
    pub mount: String,
    /// The namespace, if it has any.
    pub namespace: Option<String>,
    /// A PEM file of authorities to trust instead of the system's.
    pub ca_cert: Option<PathBuf>,
    /// The name that the server's certificate is for, where it is not the address's.
    pub tls_server_name: Option<String>,
    /// The longest that one call may take.
    pub timeout: Duration,
    /// How this process logs in.
    pub auth: VaultAuth,
}

/// How this process logs in. Secrets are files or variables, never settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// By a token out of an environment variable.
    Token {
        /// The variable's name.
        env: String,
    },
    /// By a token that somebody else keeps fresh in a file, like Vault Agent's sink.
    TokenFile {
        /// The file, read anew at each login.
        path: PathBuf,
    },
    /// As an AppRole.
    AppRole {
        /// Where the method is mounted, like `auth/approle`.
        mount_path: String,
        /// The file of the role's id.
        role_id: PathBuf,
        /// The file of the secret id, or of the token that it is wrapped in.
        secret_id: PathBuf,
        /// If set, the secret id is wrapped, and this is the path that the wrapping must have been made by.
        wrapping_path: Option<String>,
    },
}
