//! `[store.vault]`: a Vault or OpenBao server, and how this process logs in. Names are those of Vault Agent.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Reader, Reported};
use super::setting::{Setting, one_of};
use crate::store::vault::{VaultAuth, VaultConfig};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Kubernetes,
    AppRole,
    Jwt,
    Cert,
    TokenFile,
    Token,
}

const METHODS: [(&str, Method); 6] = [
    ("kubernetes", Method::Kubernetes),
    ("approle", Method::AppRole),
    ("jwt", Method::Jwt),
    ("cert", Method::Cert),
    ("token_file", Method::TokenFile),
    ("token", Method::Token),
];

impl Setting for Method {
    fn read(value: &DeValue<'_>) -> Result<Method, String> {
        one_of(value, &METHODS)
    }

    fn show(&self) -> String {
        let own = METHODS.iter().find(|(_, method)| *method == *self);
        format!("\"{}\"", own.map_or("", |(word, _)| word))
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
    let auth = auth(&mut section).and_then(|auth| match (&auth, &address) {
        (VaultAuth::Cert { .. }, Ok(address)) if address.value.0.starts_with("http://") => {
            let sentence =
                "must begin with https:// for method = \"cert\", as a certificate is shown over TLS only";
            Err(context.report(&address.spot, sentence))
        }
        _ => Ok(auth),
    });
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
    let hint = "write \"kubernetes\", \"approle\", \"jwt\", \"cert\", \"token_file\" or \"token\"";
    let method = section.required::<Method>("method", hint)?;
    let auth = match method.value {
        Method::Kubernetes => kubernetes(&mut section),
        Method::AppRole => approle(&mut section),
        Method::Jwt => jwt(&mut section),
        Method::Cert => cert(&mut section),
        Method::TokenFile => token_file(&mut section),
        Method::Token => token(&mut section),
    };
    for secret in ["token", "secret_id", "jwt"] {
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

/// Each method is mounted at its own name, unless somebody chose another.
fn mount_path(section: &mut Reader<'_>, default: &str) -> Result<String, Reported> {
    let written = section.optional::<MountPath>("mount_path")?;
    Ok(written.map_or_else(|| default.to_owned(), |written| written.value.0))
}

fn role(section: &mut Reader<'_>) -> Result<String, Reported> {
    section.required::<RoleName>("role", "name the role to log in as").map(|role| role.value.0)
}

fn approle(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let context = section.context;
    let mount_path = mount_path(section, "auth/approle");
    let role_id = section.required::<PathBuf>("role_id_file_path", "name the file that holds the role's id");
    let secret_id =
        section.required::<PathBuf>("secret_id_file_path", "name the file that holds the secret id");
    let wrapping_path = section.optional::<String>("secret_id_response_wrapping_path");
    Ok(VaultAuth::AppRole {
        mount_path: mount_path?,
        role_id: context.resolve(&role_id?.value),
        secret_id: context.resolve(&secret_id?.value),
        wrapping_path: wrapping_path?.map(|path| path.value),
    })
}

/// Where Kubernetes puts a ServiceAccount's token, unless a projected volume puts it elsewhere.
const ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

fn kubernetes(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let context = section.context;
    let mount_path = mount_path(section, "auth/kubernetes");
    let role = role(section);
    let token_path = section.or("token_path", PathBuf::from(ACCOUNT_TOKEN));
    Ok(VaultAuth::Kubernetes {
        mount_path: mount_path?,
        role: role?,
        token_path: context.resolve(&token_path?.value),
    })
}

fn jwt(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let context = section.context;
    let mount_path = mount_path(section, "auth/jwt");
    let role = role(section);
    let path = section.required::<PathBuf>("path", "name the file that holds the JWT");
    Ok(VaultAuth::Jwt { mount_path: mount_path?, role: role?, path: context.resolve(&path?.value) })
}

fn cert(section: &mut Reader<'_>) -> Result<VaultAuth, Reported> {
    let context = section.context;
    let mount_path = mount_path(section, "auth/cert");
    let name = section.required::<RoleName>("name", "name the role to log in as");
    let certificate =
        section.required::<PathBuf>("client_cert", "name the PEM file that holds the certificate");
    let key = section.required::<PathBuf>("client_key", "name the PEM file that holds its key");
    Ok(VaultAuth::Cert {
        mount_path: mount_path?,
        name: name?.value.0,
        certificate: context.resolve(&certificate?.value),
        key: context.resolve(&key?.value),
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

/// The name of a role of an auth method, which stands in a path.
struct RoleName(String);

impl Setting for RoleName {
    fn read(value: &DeValue<'_>) -> Result<RoleName, String> {
        let name = String::read(value)?;
        if name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Ok(RoleName(name));
        }
        Err(format!("must be a role's name, of letters, digits, `-`, `_` and `.`; this is `{name}`"))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}
