//! The way to a cluster's API: found when it is first needed, and never waited for longer than a call may take.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::{Client, Config};
use tokio::sync::Mutex;

/// How long one call may take, with what the client tries again itself when the server is busy.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More of a server's own words than this is no help.
const MOST_WORDS: usize = 400;

/// How the API is found, and who calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// By what Kubernetes gives every pod: its ServiceAccount's token, read anew each minute.
    InCluster,
    /// By the current context of a kubeconfig file.
    Kubeconfig(PathBuf),
}

/// A cluster's API.
pub(super) struct Cluster {
    access: Access,
    client: Mutex<Option<Client>>,
}

/// Why a call did not succeed.
pub(super) enum CallError {
    /// The server's word.
    Refused(Box<Status>),
    /// Nothing was heard, or nothing that can be understood: a part of a sentence.
    Unanswered(String),
}

impl Cluster {
    pub(super) fn new(access: Access) -> Cluster {
        Cluster { access, client: Mutex::default() }
    }

    /// Makes a call within the time that one may take.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFnOnce(Client) -> kube::Result<T>,
    ) -> Result<T, CallError> {
        let called = tokio::time::timeout(TIMEOUT, async {
            let client = self.client().await?;
            call(client).await.map_err(CallError::from)
        });
        let result = called.await.unwrap_or_else(|_| {
            Err(CallError::Unanswered(format!("it did not answer within {} s", TIMEOUT.as_secs())))
        });
        if let Err(CallError::Refused(status)) = &result
            && status.code == 401
        {
            // The kubeconfig may hold new credentials by now.
            *self.client.lock().await = None;
        }
        result
    }

    async fn client(&self) -> Result<Client, CallError> {
        let mut kept = self.client.lock().await;
        if let Some(client) = &*kept {
            return Ok(client.clone());
        }
        let config = self.config().await.map_err(CallError::Unanswered)?;
        let client = Client::try_from(config)?;
        *kept = Some(client.clone());
        Ok(client)
    }

    async fn config(&self) -> Result<Config, String> {
        match &self.access {
            Access::InCluster => Config::incluster().map_err(|error| {
                format!(
                    "this is no pod with a ServiceAccount's token: {error}; set automountServiceAccountToken, or name a `kubeconfig`"
                )
            }),
            Access::Kubeconfig(path) => {
                let unusable = |why: &dyn fmt::Display| {
                    format!("the kubeconfig {} cannot be used: {why}; mend it", path.display())
                };
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                config.map_err(|error| unusable(&error))
            }
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(&self.access).finish()
    }
}

impl From<kube::Error> for CallError {
    /// Without what an answer held, or what a program that fetches credentials wrote.
    fn from(error: kube::Error) -> CallError {
        CallError::Unanswered(match error {
            kube::Error::Api(status) => return CallError::Refused(status),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                "what answers there is no Kubernetes API that this version knows".to_owned()
            }
            kube::Error::Auth(AuthError::ReadTokenFile(error, path)) => {
                format!("the token at {} cannot be read: {error}", path.display())
            }
            kube::Error::Auth(_) => "the credentials that its kubeconfig names cannot be had".to_owned(),
            error => causes(&error),
        })
    }
}

/// The innermost cause says most, and the outer ones where.
fn causes(error: &kube::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_words = inner.to_string();
        if !words.ends_with(&inner_words) {
            words = format!("{words}: {inner_words}");
        }
        cause = inner.source();
    }
    words
}

/// The server's own words, of a bearable length.
pub(super) fn words(status: &Status) -> String {
    let short: String = status.message.chars().take(MOST_WORDS).collect();
    if short.is_empty() { format!("it answers {}", status.code) } else { short }
}
