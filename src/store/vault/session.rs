//! The login's life: renewed at two thirds, made anew when renewal ends or the token is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livekit_keyd_core::pause::Backoff;
use livekit_keyd_core::time::Time;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};
use vaultrs::client::VaultClient;

use super::FIRST_LOGIN;
use super::client::Transport;
use super::config::{VaultAuth, VaultConfig};
use super::credential::Watched;
use super::login::{self, Login, LoginFailure, Unwrapped};
use crate::clock;
use crate::random;
use crate::store::StoreError;

/// An AppRole that is refused is tried again this slowly, since Vault locks one out after five refusals in a quarter of
/// an hour.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);
/// How often the files of a login are looked at while it waits for another try.
const LOOK_WHILE_WAITING: Duration = Duration::from_secs(2);
/// How often the files of a connection are looked at while its login is good.
const LOOK_WHILE_GOOD: Duration = Duration::from_secs(10);
/// Two logins because of refused calls are never closer than this.
const BETWEEN_DOUBTS: Duration = Duration::from_secs(10);
/// The shortest pause before a renewal, however short a token's life.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How the login stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// Until when the token lives; `None` if it never ends or there is none.
    pub expires_at: Option<Time>,
    /// Why the last login or renewal failed, if it did.
    pub failure: Option<LoginFailure>,
}

/// A login that is kept alive by a task of its own.
pub(super) struct Session {
    state: Arc<State>,
    task: AbortHandle,
}

struct State {
    config: VaultConfig,
    unwrapped: Unwrapped,
    current: watch::Sender<Current>,
    /// Rung when a call was refused.
    doubted: Notify,
    expires_at: Mutex<Option<Time>>,
}

/// What calls go by.
#[derive(Clone, Default)]
struct Current {
    /// Of the newest login. Its token may have ended, but may still work, too.
    client: Option<Arc<VaultClient>>,
    /// Why the last login or renewal failed, if it did.
    failure: Option<LoginFailure>,
    /// How often it was looked whether the login is good, or a new one was tried.
    looks: u64,
}

impl Session {
    pub(super) fn start(config: VaultConfig) -> Result<Session, StoreError> {
        // What no login will mend is told at once.
        Transport::new(&config, None)?;
        let state = Arc::new(State {
            config,
            unwrapped: Unwrapped::default(),
            current: watch::channel(Current::default()).0,
            doubted: Notify::new(),
            expires_at: Mutex::default(),
        });
        let task = tokio::spawn(Arc::clone(&state).keep()).abort_handle();
        Ok(Session { state, task })
    }

    pub(super) fn status(&self) -> SessionStatus {
        let failure = self.state.current.borrow().failure.clone();
        SessionStatus { expires_at: *self.state.expires_at(), failure }
    }

    /// Whenever the status may have changed.
    pub(super) fn changes(&self) -> Changes {
        Changes(self.state.current.subscribe())
    }

    /// The client of the current login; waits a little for the first one.
    pub(super) async fn client(&self) -> Result<Arc<VaultClient>, StoreError> {
        let most = FIRST_LOGIN.min(self.state.config.timeout);
        let current = self.wait(most, |current| current.looks > 0).await;
        match current {
            Some(Current { client: Some(client), .. }) => Ok(client),
            Some(Current { failure: Some(failure), .. }) => Err(failure.error),
            _ => Err(StoreError::Unreachable {
                sentence: format!("the login to Vault at {} is still under way", self.state.config.address),
            }),
        }
    }

    /// After a call was refused: the client of another login, if the refused one's token has ended; nothing, if it is
    /// alive, since then it is the policy that refuses.
    ///
    /// # Errors
    /// The token has ended, and why there is no other.
    pub(super) async fn after_refusal(
        &self,
        refused: &Arc<VaultClient>,
    ) -> Result<Option<Arc<VaultClient>>, StoreError> {
        let other = |current: &Current| {
            current.client.as_ref().filter(|client| !Arc::ptr_eq(client, refused)).map(Arc::clone)
        };
        let seen = self.state.current.borrow().looks;
        self.state.doubted.notify_one();
        // Two calls: whether it is alive, and the login.
        let most = self.state.config.timeout.saturating_mul(2);
        let looked = |current: &Current| current.looks > seen || other(current).is_some();
        let Some(current) = self.wait(most, looked).await else { return Ok(None) };
        match (other(&current), current.failure) {
            (None, Some(failure)) => Err(failure.error),
            (other, _) => Ok(other),
        }
    }

    async fn wait(&self, most: Duration, until: impl FnMut(&Current) -> bool) -> Option<Current> {
        let mut current = self.state.current.subscribe();
        let waited = tokio::time::timeout(most, current.wait_for(until)).await;
        waited.ok()?.ok().map(|current| current.clone())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn keep(self: Arc<Self>) {
        let mut backoff = Backoff::default();
        let mut last_doubt = None;
        loop {
            let (tls, all) = (self.tls_files().await, self.all_files().await);
            match login::login(&self.config, &self.unwrapped).await {
                Ok(login) => {
                    backoff.reset();
                    self.logged_in(&login);
                    tokio::select! {
                        () = self.until_it_ends(login, &mut last_doubt) => {}
                        () = self.until_others(&tls) => {
                            tracing::info!("a new login is made: the files of the connection have changed");
                        }
                    }
                }
                Err(failure) => {
                    tracing::warn!("{}", failure.error);
                    let app_role = matches!(self.config.auth, VaultAuth::AppRole { .. });
                    let pause = match failure.error.is_retryable() || !app_role {
                        true => backoff.next(random::fraction()),
                        false => AFTER_REFUSAL,
                    };
                    self.looked(Some(failure));
                    self.pause(pause, &all).await;
                }
            }
        }
    }

    fn logged_in(&self, login: &Login) {
        tracing::info!(renewable = login.renewable, "logged in to Vault at {}", self.config.address);
        *self.expires_at() = login.lasts.map(|lasts| clock::now() + lasts);
        let client = Arc::new(login.client());
        self.current.send_modify(|current| {
            *current = Current { client: Some(client), failure: None, looks: current.looks + 1 };
        });
    }

    fn looked(&self, failure: Option<LoginFailure>) {
        self.current.send_modify(|current| {
            current.failure = failure;
            current.looks += 1;
        });
    }

    fn expires_at(&self) -> std::sync::MutexGuard<'_, Option<Time>> {
        self.expires_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews for as long as that helps; returns when a new login is due.
    async fn until_it_ends(&self, login: Login, last_doubt: &mut Option<Instant>) {
        let mut backoff = Backoff::default();
        let mut life = login.lasts.map(Life::from_now);
        loop {
            tokio::select! {
                () = renewal_due(life.as_ref()) => {}
                () = self.doubted.notified() => {
                    if self.has_ended(&login, last_doubt).await {
                        return;
                    }
                    continue;
                }
            }
            let Some(now) = life.as_mut().filter(|life| login.renewable && Instant::now() < life.ends_at)
            else {
                return;
            };
            match login::renew(&self.config, &login).await {
                // At its longest life a token's renewals get shorter: a new one is due.
                Ok(lasts) if lasts < now.lasts.mul_f64(0.5) => return,
                Ok(lasts) => {
                    backoff.reset();
                    *now = Life::from_now(lasts);
                    *self.expires_at() = Some(clock::now() + lasts);
                    self.looked(None);
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!("{error}");
                    self.looked(Some(error.into()));
                    now.renew_at = now.ends_at.min(Instant::now() + backoff.next(random::fraction()));
                }
                Err(error) => {
                    tracing::warn!("a new login is made: {error}");
                    return;
                }
            }
        }
    }

    /// Whether a doubted login is worth nothing any more.
    async fn has_ended(&self, login: &Login, last_doubt: &mut Option<Instant>) -> bool {
        match login::is_alive(&self.config, login).await {
            // A token that may not even ask must not lead to a login for each call.
            Ok(false) if last_doubt.is_none_or(|last| last.elapsed() > BETWEEN_DOUBTS) => {
                *last_doubt = Some(Instant::now());
                return true;
            }
            Ok(_) => self.looked(None),
            Err(error) => self.looked(Some(error.into())),
        }
        false
    }

    /// Ends early when a file of the login is another one than `before`. Calls that are refused meanwhile learn at once
    /// that there is no other login.
    async fn pause(&self, pause: Duration, before: &Watched) {
        let until = Instant::now() + pause;
        let mut look = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(look) => {
                    if Instant::now() >= until || self.all_files().await != *before {
                        return;
                    }
                    look = until.min(Instant::now() + random::jitter(LOOK_WHILE_WAITING));
                }
                () = self.doubted.notified() => self.current.send_modify(|current| current.looks += 1),
            }
        }
    }

    /// Until a file of the connection is another one than `before`.
    async fn until_others(&self, before: &Watched) {
        loop {
            sleep(random::jitter(LOOK_WHILE_GOOD)).await;
            if self.tls_files().await != *before {
                return;
            }
        }
    }

    async fn tls_files(&self) -> Watched {
        Watched::of(&self.config.tls_files()).await
    }

    async fn all_files(&self) -> Watched {
        Watched::of(&[self.config.tls_files(), self.config.auth.files()].concat()).await
    }
}

/// Tells when a [`SessionStatus`] may have changed.
pub struct Changes(watch::Receiver<Current>);

impl Changes {
    /// Returns after the next change; never, once the session has ended.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// A token's, as this process's clock runs.
struct Life {
    lasts: Duration,
    renew_at: Instant,
    ends_at: Instant,
}

impl Life {
    fn from_now(lasts: Duration) -> Life {
        let now = Instant::now();
        let pause = random::jitter(lasts.mul_f64(2.0 / 3.0)).max(SHORTEST_PAUSE);
        Life { lasts, renew_at: now + pause, ends_at: now + lasts }
    }
}

/// Never, for a token that never ends.
async fn renewal_due(life: Option<&Life>) {
    match life {
        Some(life) => sleep_until(life.renew_at).await,
        None => std::future::pending().await,
    }
}
