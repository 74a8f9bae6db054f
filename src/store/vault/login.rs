//! One login, by each method.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use vaultrs::auth::approle;
use vaultrs::error::ClientError;
use vaultrs::sys::wrapping;
use vaultrs::token;
use zeroize::Zeroizing;

use super::client::Transport;
use super::config::{VaultAuth, VaultConfig};
use super::credential;
use super::explain::{self, Attempt, Doing, explain};
use crate::store::StoreError;

/// A token and its life.
pub(super) struct Login {
    pub(super) token: Zeroizing<String>,
    /// `None` for a token that never ends.
    pub(super) lasts: Option<Duration>,
    pub(super) renewable: bool,
}

/// What was unwrapped, as a wrapping token works once only.
#[derive(Default)]
pub(super) struct Unwrapped(Mutex<Option<(Zeroizing<String>, Zeroizing<String>)>>);

/// What a response-wrapped secret id holds.
#[derive(Deserialize)]
struct SecretId {
    secret_id: Zeroizing<String>,
}

fn attempt<'a>(config: &'a VaultConfig, verb: &'static str) -> Attempt<'a> {
    let method = match &config.auth {
        VaultAuth::Token { .. } => "a token out of the environment",
        VaultAuth::TokenFile { .. } => "the token in a file",
        VaultAuth::AppRole { .. } => "AppRole",
    };
    Attempt { doing: Doing::Login { verb, method }, address: &config.address, timeout: config.timeout }
}

const LOG_IN: &str = "log in to";
const RENEW: &str = "renew the login to";

/// Logs in.
pub(super) async fn login(
    config: &VaultConfig,
    transport: &Transport,
    unwrapped: &Unwrapped,
) -> Result<Login, StoreError> {
    match &config.auth {
        VaultAuth::Token { env } => inspect(config, transport, credential::from_environment(env)?).await,
        VaultAuth::TokenFile { path } => inspect(config, transport, credential::from_file(path).await?).await,
        VaultAuth::AppRole { mount_path, role_id, secret_id, wrapping_path } => {
            let id = credential::from_file(role_id).await?;
            let written = credential::from_file(secret_id).await?;
            let secret = match wrapping_path {
                None => written,
                Some(path) => unwrap(config, transport, written, path, unwrapped).await?,
            };
            // The client puts `auth/` before the mount by itself.
            let mount = mount_path.strip_prefix("auth/").unwrap_or(mount_path);
            by_app_role(config, transport, mount, &id, &secret)
                .await
                .map_err(|error| renew_hint(error, secret_id))
        }
    }
}

/// A token that came from elsewhere says itself how long it lives.
async fn inspect(
    config: &VaultConfig,
    transport: &Transport,
    token: Zeroizing<String>,
) -> Result<Login, StoreError> {
    let client = transport.client(&token);
    let found = token::lookup_self(&client).await.map_err(|error| explain(error, attempt(config, LOG_IN)))?;
    // Whole seconds: one with its last second begun has 0 left, and still ends.
    let lasts = found.expire_time.is_some().then(|| Duration::from_secs(found.ttl));
    Ok(Login { token, lasts, renewable: found.renewable.unwrap_or(false) })
}

/// Whether a token that something was refused to is alive: then it is the policy that refuses.
pub(super) async fn is_alive(
    config: &VaultConfig,
    transport: &Transport,
    login: &Login,
) -> Result<bool, StoreError> {
    match token::lookup_self(&transport.client(&login.token)).await {
        Ok(_) => Ok(true),
        Err(error) if explain::is_forbidden(&error) => Ok(false),
        Err(error) => Err(explain(error, attempt(config, LOG_IN))),
    }
}

async fn by_app_role(
    config: &VaultConfig,
    transport: &Transport,
    mount: &str,
    role_id: &str,
    secret_id: &str,
) -> Result<Login, StoreError> {
    let client = transport.client("");
    let auth = approle::login(&client, mount, role_id, secret_id).await;
    let auth = auth.map_err(|error| explain(error, attempt(config, LOG_IN)))?;
    Ok(Login {
        token: Zeroizing::new(auth.client_token),
        lasts: (auth.lease_duration > 0).then(|| Duration::from_secs(auth.lease_duration)),
        renewable: auth.renewable,
    })
}

fn renew_hint(error: StoreError, secret_id: &Path) -> StoreError {
    match error {
        StoreError::Refused { sentence } => StoreError::Refused {
            sentence: format!(
                "{sentence}; the role or its secret id is unknown or has ended: put a new secret id into {}",
                secret_id.display()
            ),
        },
        other => other,
    }
}

/// Unwraps once, and remembers what came out for as long as the file holds the same wrapping token.
async fn unwrap(
    config: &VaultConfig,
    transport: &Transport,
    wrapping_token: Zeroizing<String>,
    made_at: &str,
    unwrapped: &Unwrapped,
) -> Result<Zeroizing<String>, StoreError> {
    let known = unwrapped.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    if let Some((_, secret_id)) = known.filter(|(token, _)| *token == wrapping_token) {
        return Ok(secret_id);
    }
    let client = transport.client("");
    let used = |error: ClientError| {
        match error {
        ClientError::APIError { code: 400 | 403 | 404, .. } => StoreError::Refused {
            sentence: "the wrapped secret id was unwrapped by somebody else, or has ended: treat it as stolen, revoke it, and deliver a new one".to_owned(),
        },
        other => explain(other, attempt(config, LOG_IN)),
    }
    };
    let found = wrapping::lookup(&client, &wrapping_token).await.map_err(used)?;
    if found.creation_path.trim_matches('/') != made_at.trim_matches('/') {
        return Err(StoreError::Refused {
            sentence: format!(
                "the wrapped secret id was made at `{}` and not at `{made_at}`: somebody may have put in a token of their own",
                found.creation_path
            ),
        });
    }
    let carrier = transport.client(&wrapping_token);
    let secret: SecretId = wrapping::unwrap(&carrier, None).await.map_err(used)?;
    let mut known = unwrapped.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *known = Some((wrapping_token, secret.secret_id.clone()));
    Ok(secret.secret_id)
}

/// Renews a token and says how long it lives now.
pub(super) async fn renew(
    config: &VaultConfig,
    transport: &Transport,
    login: &Login,
) -> Result<Duration, StoreError> {
    let client = transport.client(&login.token);
    let auth =
        token::renew_self(&client, None).await.map_err(|error| explain(error, attempt(config, RENEW)))?;
    if auth.lease_duration == 0 {
        return Err(explain::malformed(attempt(config, RENEW), "the renewed token has no life"));
    }
    Ok(Duration::from_secs(auth.lease_duration))
}
