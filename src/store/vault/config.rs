//! How Vault is reached; the names are Vault Agent's.

use std::path::{Path, PathBuf};
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
    /// As a Kubernetes ServiceAccount.
    Kubernetes {
        /// Where the method is mounted, like `auth/kubernetes`.
        mount_path: String,
        /// The role to take.
        role: String,
        /// The file of the account's projected token, read anew at each login.
        token_path: PathBuf,
    },
    /// By a JWT of somebody whom Vault trusts.
    Jwt {
        /// Where the method is mounted, like `auth/jwt`.
        mount_path: String,
        /// The role to take.
        role: String,
        /// The file of the JWT, read anew at each login.
        path: PathBuf,
    },
    /// By a client certificate.
    Cert {
        /// Where the method is mounted, like `auth/cert`.
        mount_path: String,
        /// The role to take.
        name: String,
        /// The PEM file of the certificate, and of those between it and its authority.
        certificate: PathBuf,
        /// The PEM file of its key.
        key: PathBuf,
    },
}

impl VaultConfig {
    /// The files that connections are made with, whatever is called over them.
    pub(super) fn tls_files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> = self.ca_cert.as_deref().into_iter().collect();
        if let VaultAuth::Cert { certificate, key, .. } = &self.auth {
            files.extend([certificate.as_path(), key]);
        }
        files
    }
}

impl VaultAuth {
    /// The files that a login is made with, beside those of its connection.
    pub(super) fn files(&self) -> Vec<&Path> {
        match self {
            VaultAuth::Token { .. } | VaultAuth::Cert { .. } => Vec::new(),
            VaultAuth::TokenFile { path } | VaultAuth::Jwt { path, .. } => vec![path],
            VaultAuth::AppRole { role_id, secret_id, .. } => vec![role_id, secret_id],
            VaultAuth::Kubernetes { token_path, .. } => vec![token_path],
        }
    }

    /// What the method is called in sentences.
    pub(super) fn words(&self) -> &'static str {
        match self {
            VaultAuth::Token { .. } => "a token out of the environment",
            VaultAuth::TokenFile { .. } => "the token in a file",
            VaultAuth::AppRole { .. } => "AppRole",
            VaultAuth::Kubernetes { .. } => "Kubernetes",
            VaultAuth::Jwt { .. } => "JWT",
            VaultAuth::Cert { .. } => "client certificate",
        }
    }

    /// What an operator can do about a login that is refused.
    pub(super) fn remedy(&self) -> String {
        const ANEW: &str = "`livekit-keyd vault-policy` prints it as it should be";
        match self {
            VaultAuth::Token { env } => format!(
                "the token is unknown or has ended, or its policy does not allow auth/token/lookup-self: put a new one into {env} and restart this process"
            ),
            VaultAuth::TokenFile { path } => format!(
                "the token is unknown or has ended, or its policy does not allow auth/token/lookup-self: deliver a new one to {}",
                path.display()
            ),
            VaultAuth::AppRole { secret_id, .. } => format!(
                "the role or its secret id is unknown or has ended: put a new secret id into {}",
                secret_id.display()
            ),
            VaultAuth::Kubernetes { mount_path, role, token_path } => format!(
                "the role or the account's token in {} is not accepted: compare the role's accounts, namespaces and audience (`vault read {mount_path}/role/{role}`), and see that Vault may ask for TokenReviews; {ANEW}",
                token_path.display()
            ),
            VaultAuth::Jwt { mount_path, role, path } => format!(
                "the role or the JWT in {} is not accepted: deliver a fresh one, and compare its issuer, subject and audience with the role (`vault read {mount_path}/role/{role}`); {ANEW}",
                path.display()
            ),
            VaultAuth::Cert { mount_path, name, certificate, .. } => format!(
                "the role or the certificate in {} is not accepted: see that it has not expired, and that the role trusts its authority and names (`vault read {mount_path}/certs/{name}`); {ANEW}",
                certificate.display()
            ),
        }
    }
}
