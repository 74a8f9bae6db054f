//! One login, by each method.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use serde::Deserialize;
use vaultrs::api;
use vaultrs::auth::{approle, kubernetes};
use vaultrs::client::VaultClient;
use vaultrs::error::ClientError;
use vaultrs::sys::wrapping;
use vaultrs::token;
use zeroize::Zeroizing;

use super::client::Transport;
use super::config::{VaultAuth, VaultConfig};
use super::credential;
use super::explain::{self, Attempt, Doing, explain};
use crate::store::StoreError;

/// A token, its life, and the connection that it was given over: a certificate's login is renewed by the same one.
pub(super) struct Login {
    pub(super) token: Zeroizing<String>,
    /// `None` for a token that never ends.
    pub(super) lasts: Option<Duration>,
    pub(super) renewable: bool,
    transport: Transport,
}

impl Login {
    /// Calls by this login.
    pub(super) fn client(&self) -> VaultClient {
        self.transport.client(&self.token)
    }
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFailure {
    /// The error, as calls meet it.
    pub error: StoreError,
    /// Somebody else may hold the secret that this login was to be made with.
    pub intercepted: bool,
}

impl From<StoreError> for LoginFailure {
    fn from(error: StoreError) -> LoginFailure {
        LoginFailure { error, intercepted: false }
    }
}

impl LoginFailure {
    fn intercepted(sentence: String) -> LoginFailure {
        LoginFailure { error: StoreError::Refused { sentence }, intercepted: true }
    }
}

fn attempt<'a>(config: &'a VaultConfig, verb: &'static str) -> Attempt<'a> {
    let doing = Doing::Login { verb, auth: &config.auth };
    Attempt { doing, address: &config.address, timeout: config.timeout }
}

const LOG_IN: &str = "log in to";
const RENEW: &str = "renew the login to";

/// Logs in, over a connection of its own.
pub(super) async fn login(config: &VaultConfig, unwrapped: &Unwrapped) -> Result<Login, LoginFailure> {
    let identity = match &config.auth {
        VaultAuth::Cert { certificate, key, .. } => Some(credential::identity(certificate, key).await?),
        _ => None,
    };
    let transport = Transport::new(config, identity)?;
    let client = transport.client("");
    let auth = match &config.auth {
        VaultAuth::Token { env } => {
            return Ok(inspect(config, transport, credential::from_environment(env)?).await?);
        }
        VaultAuth::TokenFile { path } => {
            return Ok(inspect(config, transport, credential::from_file(path).await?).await?);
        }
        VaultAuth::AppRole { mount_path, role_id, secret_id, wrapping_path } => {
            let id = credential::from_file(role_id).await?;
            let written = credential::from_file(secret_id).await?;
            let secret = match wrapping_path {
                None => written,
                Some(path) => unwrapped.unwrap(config, &transport, written, path).await?,
            };
            approle::login(&client, mount(mount_path), &id, &secret).await
        }
        // Vault takes both in the same form.
        VaultAuth::Kubernetes { mount_path, role, token_path: path }
        | VaultAuth::Jwt { mount_path, role, path } => {
            let jwt = credential::from_file(path).await?;
            kubernetes::login(&client, mount(mount_path), role, &jwt).await
        }
        VaultAuth::Cert { mount_path, name, .. } => {
            api::auth(&client, CertLogin { mount: mount(mount_path), name }).await
        }
    };
    let auth = auth.map_err(|error| explain(error, attempt(config, LOG_IN)))?;
    Ok(Login {
        token: Zeroizing::new(auth.client_token),
        lasts: (auth.lease_duration > 0).then(|| Duration::from_secs(auth.lease_duration)),
        renewable: auth.renewable,
        transport,
    })
}

/// The client puts `auth/` before it by itself.
fn mount(path: &str) -> &str {
    path.strip_prefix("auth/").unwrap_or(path)
}

/// vaultrs has one too, but calls the role by a name that Vault does not know; then any role would do.
struct CertLogin<'a> {
    mount: &'a str,
    name: &'a str,
}

impl Endpoint for CertLogin<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("auth/{}/login", self.mount)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, rustify::errors::ClientError> {
        Ok(Some(serde_json::json!({ "name": self.name }).to_string().into_bytes()))
    }
}

/// A token that came from elsewhere says itself how long it lives.
async fn inspect(
    config: &VaultConfig,
    transport: Transport,
    token: Zeroizing<String>,
) -> Result<Login, StoreError> {
    let client = transport.client(&token);
    let found = token::lookup_self(&client).await.map_err(|error| explain(error, attempt(config, LOG_IN)))?;
    // Whole seconds: one with its last second begun has 0 left, and still ends.
    let lasts = found.expire_time.is_some().then(|| Duration::from_secs(found.ttl));
    Ok(Login { token, lasts, renewable: found.renewable.unwrap_or(false), transport })
}

/// Whether a token that something was refused to is alive: then it is the policy that refuses.
pub(super) async fn is_alive(config: &VaultConfig, login: &Login) -> Result<bool, StoreError> {
    match token::lookup_self(&login.client()).await {
        Ok(_) => Ok(true),
        Err(error) if explain::is_forbidden(&error) => Ok(false),
        Err(error) => Err(explain(error, attempt(config, LOG_IN))),
    }
}

/// What was unwrapped, as a wrapping token works once only.
#[derive(Default)]
pub(super) struct Unwrapped(Mutex<Option<(Zeroizing<String>, Zeroizing<String>)>>);

/// What a response-wrapped secret id holds.
#[derive(Deserialize)]
struct SecretId {
    secret_id: Zeroizing<String>,
}

impl Unwrapped {
    /// Unwraps once, and remembers what came out for as long as the file holds the same wrapping token.
    async fn unwrap(
        &self,
        config: &VaultConfig,
        transport: &Transport,
        wrapping_token: Zeroizing<String>,
        made_at: &str,
    ) -> Result<Zeroizing<String>, LoginFailure> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, secret_id)) = known.filter(|(token, _)| *token == wrapping_token) {
            return Ok(secret_id);
        }
        let failed = |error: ClientError| match error {
            ClientError::APIError { code: 400 | 403 | 404, .. } => LoginFailure::intercepted(used(made_at)),
            other => explain(other, attempt(config, LOG_IN)).into(),
        };
        let client = transport.client("");
        let found = wrapping::lookup(&client, &wrapping_token).await.map_err(failed)?;
        if found.creation_path.trim_matches('/') != made_at.trim_matches('/') {
            return Err(LoginFailure::intercepted(format!(
                "the wrapped secret id was made at `{}` and not at `{made_at}`: somebody may have put in a token of their own; find out who writes that file, and deliver a new one",
                found.creation_path
            )));
        }
        let carrier = transport.client(&wrapping_token);
        let secret: SecretId = wrapping::unwrap(&carrier, None).await.map_err(failed)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((wrapping_token, secret.secret_id.clone()));
        Ok(secret.secret_id)
    }
}

/// Vault tells nobody whether a wrapping token was used or has run out.
fn used(made_at: &str) -> String {
    let made_at = made_at.trim_matches('/');
    format!(
        "the wrapped secret id was unwrapped before, by an earlier run of this process or by somebody else, or its time ran out: unless it was this process, it may be stolen: look for its unwrapping in Vault's audit log, destroy it (`vault list {made_at}`, `vault write {made_at}-accessor/destroy secret_id_accessor=...`), and deliver a new one"
    )
}

/// Renews a token and says how long it lives now.
pub(super) async fn renew(config: &VaultConfig, login: &Login) -> Result<Duration, StoreError> {
    let auth = token::renew_self(&login.client(), None)
        .await
        .map_err(|error| explain(error, attempt(config, RENEW)))?;
    if auth.lease_duration == 0 {
        return Err(explain::malformed(attempt(config, RENEW), "the renewed token has no life"));
    }
    Ok(Duration::from_secs(auth.lease_duration))
}
