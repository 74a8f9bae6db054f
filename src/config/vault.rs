//! `[store.vault]`: a Vault or OpenBao server, and how this process logs in. Names are those of Vault Agent.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Reader, Reported};
use super::setting::{Setting, one_of};
use crate::store::vault::{VaultAuth, VaultConfig};

#[derive(Clone, Copy)]
enum Method {
    Token,
    TokenFile,
    AppRole,
    Later,
}

impl Setting for Method {
    fn read(value: &DeValue<'_>) -> Result<Method, String> {
        let known = [
            ("approle", Method::AppRole),
            ("token_file", Method::TokenFile),
            ("token", Method::Token),
            ("kubernetes", Method::Later),
            ("jwt", Method::Later),
            ("cert", Method::Later),
        ];
        match one_of(value, &known)? {
            Method::Later => {
                Err("this version logs in by \"approle\", \"token_file\" or \"token\": write one of them"
                    .to_owned())
            }
            method => Ok(method),
        }
    }

    fn show(&self) -> String {
        match self {
            Method::Token => "\"token\"",
            Method::TokenFile => "\"token_file\"",
            Method::AppRole | Method::Later => "\"approle\"",
        }
        .to_owned()
    }
}

pub(super) fn read(store: &mut Reader<'_>) -> Result<VaultConfig, Reported> {
    let mut section = store.table("vault")?;
    let context = section.context;
    let address =
        section.required::<Address>("address", "write Vault's, like \"https://vault.example.com:8200\"");
    let mount = section.or("mount", MountPath("secret".to_owned()));
    let namespace = section.optional::<String>("namespace");
    let ca_cert = section.optional::<PathBuf>("ca_cert");
    let tls_server_name = section.optional::<String>("tls_server_name");
    let timeout = section.or("timeout", Duration::from_secs(10)).and_then(|timeout| {
        let some = timeout.value >= Duration::from_millis(100);
        some.then_some(timeout.value)
            .ok_or_else(|| context.report(&timeout.spot, "must be at least 100ms, like \"10s\""))
    });
    let auth = auth(&mut section);
    section.refuse("token", SECRET);
    section.finish();
    Ok(VaultConfig {
        address: address?.value.0,
        mount: mount?.value.0,
        namespace: namespace?.map(|namespace| namespace.value),
        ca_cert: ca_cert?.map(|path| context.resolve(&path.value)),
        tls_server_name: tls_server_name?.map(|name| name.value),
        timeout: timeout?,
        auth: auth?,
    })
}

const SECRET: &str = "a secret never stands in the configuration: put it into a file or an environment variable, and change it";

fn auth(vault: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let mut section = vault.table("auth")?;
    let method = section.required::<Method>("method", "write \"approle\", \"token_file\" or \"token\"")?;
    let auth = match method.value {
        Method::Token => token(&mut section),
        Method::TokenFile => token_file(&mut section),
        Method::AppRole | Method::Later => approle(&mut section),
    };
    for secret in ["token", "secret_id"] {
        section.refuse(secret, SECRET);
    }
    section.finish();
    auth
}

fn token(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let env = section.or("env", "VAULT_TOKEN".to_owned());
    Ok(VaultAuth::Token { env: env?.value })
}

fn token_file(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let path = section.required::<PathBuf>("token_file_path", "name the file that holds the token")?;
    Ok(VaultAuth::TokenFile { path: section.context.resolve(&path.value) })
}

fn approle(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let context = section.context;
    let mount_path = section.or("mount_path", MountPath("auth/approle".to_owned()));
    let role_id = section.required::<PathBuf>("role_id_file_path", "name the file that holds the role's id");
    let secret_id =
        section.required::<PathBuf>("secret_id_file_path", "name the file that holds the secret id");
    let wrapping_path = section.optional::<String>("secret_id_response_wrapping_path");
    Ok(VaultAuth::AppRole {
        mount_path: mount_path?.value.0,
        role_id: context.resolve(&role_id?.value),
        secret_id: context.resolve(&secret_id?.value),
        wrapping_path: wrapping_path?.map(|path| path.value),
    })
}

/// A server's address: a scheme, a host, perhaps a port.
struct Address(String);

impl Setting for Address {
    fn read(value: &DeValue<'_>) -> Result<Address, String> {
        let address = String::read(value)?;
        let host = ["https://", "http://"].iter().find_map(|scheme| address.strip_prefix(scheme));
        let host = host.map(|host| host.trim_end_matches('/'));
        let plain = |host: &&str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
        match host.filter(plain) {
            Some(_) => Ok(Address(address.trim_end_matches('/').to_owned())),
            None => Err(format!(
                "must be a scheme, a host and perhaps a port, like \"https://vault.example.com:8200\"; this is `{address}`"
            )),
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// Where something is mounted in Vault, without slashes around it.
struct MountPath(String);

impl Setting for MountPath {
    fn read(value: &DeValue<'_>) -> Result<MountPath, String> {
        let path = String::read(value)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let trimmed = path.trim_matches('/');
        if !trimmed.is_empty() && trimmed.split('/').all(|part| !part.is_empty() && part.chars().all(plain)) {
            return Ok(MountPath(trimmed.to_owned()));
        }
        Err(format!("must be a mount's path like \"secret\" or \"auth/approle\"; this is `{path}`"))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}
