//! A client of our own making: nothing in it comes from the environment.
//!
//! vaultrs fills what is left unset from `VAULT_*` variables, and an inherited
//! `VAULT_SKIP_VERIFY` would switch off the check of certificates. So every field
//! is set here, and the HTTP client underneath is built here too.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::DATE;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Url};
use rustify::clients::reqwest::Client as HttpClient;
use vaultrs::api::EndpointMiddleware;
use vaultrs::client::{VaultClient, VaultClientSettings};

use super::config::VaultConfig;
use crate::store::StoreError;

/// What every client of one login shares.
#[derive(Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    namespace: Option<String>,
}

fn refused(sentence: String) -> StoreError {
    StoreError::Refused { sentence }
}

impl Transport {
    /// With what the files hold now; `identity` is shown to a server that asks.
    pub(super) fn new(config: &VaultConfig, identity: Option<Identity>) -> Result<Transport, StoreError> {
        let address = &config.address;
        let mut base = Url::parse(address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                refused(format!("`{address}` is no address of a Vault, like https://vault.example.com:8200"))
            })?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_rustls()
            .timeout(config.timeout)
            .connect_timeout(config.timeout)
            // A token must not follow to another host.
            .redirect(Policy::none())
            .no_proxy();
        // It goes into a header.
        if let Some(namespace) =
            config.namespace.as_deref().filter(|name| !name.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(refused(format!(
                "{namespace:?} is no namespace: it may have no white space and ASCII only"
            )));
        }
        if let Some(path) = &config.ca_cert {
            let read = |error: &dyn std::fmt::Display| {
                refused(format!("the CA certificate {} cannot be used: {error}", path.display()))
            };
            let pem = std::fs::read(path).map_err(|error| read(&error))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| read(&error))?;
            if certificates.is_empty() {
                return Err(read(&"there is no certificate in it"));
            }
            builder = builder.tls_certs_only(certificates);
        } else if base.scheme() == "http" {
            // Spares reading the system's certificates, which nobody will need.
            builder = builder.tls_certs_only(Vec::new());
        }
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        if let Some(name) = &config.tls_server_name {
            let port = base.port_or_known_default().unwrap_or(443);
            let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            builder = builder.dns_resolver(Arc::new(InPlaceOf { host, port }));
            let no_name = || refused(format!("tls_server_name `{name}` is no host name"));
            base.set_host(Some(name)).map_err(|_| no_name())?;
            // A number needs no resolver, so the connection would go there.
            if base.domain().is_none() {
                return Err(no_name());
            }
        }
        let http = builder.build().map_err(|error| {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            refused(format!("no client for Vault could be made: {cause}"))
        })?;
        Ok(Transport { http, base, namespace: config.namespace.clone() })
    }

    /// What the header `Date` of an answer says, whatever the answer is.
    pub(super) async fn date(&self) -> Option<String> {
        let answer = self.http.get(self.base.join("/v1/sys/health").ok()?).send().await.ok()?;
        Some(answer.headers().get(DATE)?.to_str().ok()?.to_owned())
    }

    /// A client with a token, or without one for a login.
    pub(super) fn client(&self, token: &str) -> VaultClient {
        VaultClient {
            http: HttpClient::new(self.base.as_str(), self.http.clone()),
            middle: EndpointMiddleware {
                token: token.to_owned(),
                version: "v1".to_owned(),
                wrap: None,
                namespace: self.namespace.clone(),
            },
            settings: VaultClientSettings {
                address: self.base.clone(),
                ca_certs: Vec::new(),
                identity: None,
                timeout: None,
                token: String::new(),
                verify: true,
                version: 1,
                wrapping: false,
                namespace: self.namespace.clone(),
                proxy: None,
            },
        }
    }
}

/// Connects to one host while certificates are checked for another name.
struct InPlaceOf {
    host: String,
    port: u16,
}

impl Resolve for InPlaceOf {
    fn resolve(&self, _name: Name) -> Resolving {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
