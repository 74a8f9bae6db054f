//! The login's life: renewed at two thirds, made anew when renewal ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use livekit_keyd_core::time::Time;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use vaultrs::client::VaultClient;

use super::FIRST_LOGIN;
use super::backoff::Backoff;
use super::client::Transport;
use super::config::{VaultAuth, VaultConfig};
use super::login::{self, Login, Unwrapped};
use crate::clock;
use crate::random;
use crate::store::StoreError;

/// A refused login is tried again this slowly, unless its credential has changed.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);
/// How often a refused login's credential file is looked at.
const LOOK_AT_CREDENTIAL: Duration = Duration::from_secs(2);
/// A token is not doubted twice within this time.
const DOUBT: Duration = Duration::from_secs(10);

/// How the login stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// Until when the token lives; `None` if it never ends or there is none.
    pub expires_at: Option<Time>,
    /// Why there is no login, if there is none.
    pub failure: Option<String>,
}

/// A login that is kept alive by a task of its own.
pub(super) struct Session {
    state: Arc<State>,
    task: AbortHandle,
}

struct State {
    config: VaultConfig,
    transport: Transport,
    unwrapped: Unwrapped,
    client: watch::Sender<Result<Arc<VaultClient>, Option<StoreError>>>,
    doubted: Notify,
    last_doubt: Mutex<Option<std::time::Instant>>,
    status: Mutex<SessionStatus>,
}

impl Session {
    pub(super) fn start(config: VaultConfig) -> Result<Session, StoreError> {
        let transport = Transport::new(&config)?;
        let state = Arc::new(State {
            config,
            transport,
            unwrapped: Unwrapped::default(),
            client: watch::channel(Err(None)).0,
            doubted: Notify::new(),
            last_doubt: Mutex::default(),
            status: Mutex::default(),
        });
        let task = tokio::spawn(Arc::clone(&state).keep()).abort_handle();
        Ok(Session { state, task })
    }

    pub(super) fn status(&self) -> SessionStatus {
        self.state.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client of the current login; waits a little for the first one.
    pub(super) async fn client(&self) -> Result<Arc<VaultClient>, StoreError> {
        let mut clients = self.state.client.subscribe();
        let most = FIRST_LOGIN.min(self.state.config.timeout);
        let waited = tokio::time::timeout(most, clients.wait_for(tried)).await;
        match waited.ok().and_then(Result::ok).map_or(Err(None), |current| current.clone()) {
            Ok(client) => Ok(client),
            Err(Some(error)) => Err(error),
            Err(None) => Err(StoreError::Unreachable {
                sentence: format!("the login to Vault at {} is still under way", self.state.config.address),
            }),
        }
    }

    /// After a refusal: another login's client, unless the token was doubted a moment ago.
    pub(super) async fn renewed(&self, refused: &Arc<VaultClient>) -> Option<Arc<VaultClient>> {
        let mut clients = self.state.client.subscribe();
        let is_other = |current: &Result<Arc<VaultClient>, Option<StoreError>>| {
            current.as_ref().is_ok_and(|client| !Arc::ptr_eq(client, refused))
        };
        if !is_other(&clients.borrow()) {
            if !self.may_doubt() {
                return None;
            }
            self.state.doubted.notify_one();
        }
        let found = tokio::time::timeout(self.state.config.timeout, clients.wait_for(is_other)).await;
        found.ok()?.ok()?.as_ref().ok().cloned()
    }

    fn may_doubt(&self) -> bool {
        let mut last = self.state.last_doubt.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() > DOUBT);
        if may {
            *last = Some(std::time::Instant::now());
        }
        may
    }
}

fn tried(current: &Result<Arc<VaultClient>, Option<StoreError>>) -> bool {
    !matches!(current, Err(None))
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn keep(self: Arc<Self>) {
        let mut backoff = Backoff::default();
        loop {
            match login::login(&self.config, &self.transport, &self.unwrapped).await {
                Ok(login) => {
                    backoff.reset();
                    self.logged_in(&login);
                    self.until_it_ends(login).await;
                }
                Err(error) => {
                    tracing::warn!("{error}");
                    let retryable = error.is_retryable();
                    self.failed(error);
                    if retryable {
                        tokio::time::sleep(backoff.next()).await;
                    } else {
                        self.until_the_credential_changes().await;
                    }
                }
            }
        }
    }

    fn logged_in(&self, login: &Login) {
        tracing::info!(renewable = login.renewable, "logged in to Vault at {}", self.config.address);
        self.lives_until(login.lasts);
        drop(self.client.send_replace(Ok(Arc::new(self.transport.client(&login.token)))));
    }

    fn lives_until(&self, lasts: Option<Duration>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        *status = SessionStatus { expires_at: lasts.map(|lasts| clock::now() + lasts), failure: None };
    }

    fn failed(&self, error: StoreError) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.failure = Some(error.to_string());
        // A token that is still there may still work; one that was never there cannot.
        self.client.send_if_modified(|current| {
            let none = current.is_err();
            if none {
                *current = Err(Some(error));
            }
            none
        });
    }

    /// Renews for as long as that helps; returns when a new login is due.
    async fn until_it_ends(&self, mut login: Login) {
        let mut backoff = Backoff::default();
        while let Some(lasts) = login.lasts {
            let pause = random::jitter(lasts.mul_f64(2.0 / 3.0));
            if !self.undoubted_for(pause).await {
                return;
            }
            if !login.renewable {
                return;
            }
            match login::renew(&self.config, &self.transport, &login).await {
                // At its longest life a token's renewals get shorter: a new one is due.
                Ok(renewed) if renewed < lasts.mul_f64(0.5) => return,
                Ok(renewed) => {
                    login.lasts = Some(renewed);
                    self.lives_until(login.lasts);
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!("the login could not be renewed: {error}");
                    let left = lasts.mul_f64(1.0 / 3.0);
                    if !self.undoubted_for(backoff.next().min(left)).await {
                        return;
                    }
                    login.lasts = Some(left);
                }
                Err(error) => {
                    tracing::warn!("the login could not be renewed, a new one is made: {error}");
                    return;
                }
            }
        }
        self.doubted.notified().await;
    }

    /// Whether nobody was refused with this login for so long.
    async fn undoubted_for(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.doubted.notified() => false,
        }
    }

    async fn until_the_credential_changes(&self) {
        let before = self.credential_changed_at();
        let began = std::time::Instant::now();
        while began.elapsed() < AFTER_REFUSAL && self.credential_changed_at() == before {
            tokio::time::sleep(random::jitter(LOOK_AT_CREDENTIAL)).await;
        }
    }

    fn credential_changed_at(&self) -> Option<SystemTime> {
        let path = match &self.config.auth {
            VaultAuth::Token { .. } => return None,
            VaultAuth::TokenFile { path } => path,
            VaultAuth::AppRole { secret_id, .. } => secret_id,
        };
        std::fs::metadata(path).and_then(|file| file.modified()).ok()
    }
}
