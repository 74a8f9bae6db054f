//! The signing socket: applications ask, tokens come back.

mod batch;
mod endpoint;
mod exchange;
mod keys;
mod mint;
mod openapi;
mod refresh;
mod sign_on;
mod tokens;
mod verify;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

pub use webhooks::Replays;

use super::answer::{self, Answer};
use super::callers::{Callers, ResolvedCaller};
use super::peer::Peer;
use super::request_id::RequestId;
use super::server::Handler;
use super::telemetry;
use crate::audit::{Record, Recorder};
use crate::conditions::Conditions;
use crate::issuer::IssuerMetrics;
use crate::metrics::SignMetrics;
use crate::signer::Signer;
use mint::Refusal;

/// The largest body of a batch, in bytes: ten thousand requests of two kilobytes.
const LARGEST_BATCH_BODY: usize = 20 << 20;

/// Everything that the signing socket needs.
pub struct SignApi {
    /// Swapped whole by a reload.
    pub callers: Arc<ArcSwap<Callers>>,
    /// Each keyset's signer, for readiness.
    pub signers: Arc<BTreeMap<String, Arc<Signer>>>,
    /// What is wrong now, for readiness.
    pub conditions: Arc<Conditions>,
    /// Counters.
    pub metrics: SignMetrics,
    /// Counters of sign-on.
    pub issuers: IssuerMetrics,
    /// How long tokens may be refreshed, from when an identity was established.
    pub max_session: Duration,
    /// Webhooks that were seen.
    pub replays: Replays,
    /// Writes down what is decided.
    pub recorder: Recorder,
}

/// A connection's caller, resolved when it begins and again when the policy has changed.
pub struct SignConnection {
    peer: Peer,
    resolved: RwLock<(Arc<Callers>, Option<Arc<ResolvedCaller>>)>,
}

impl SignApi {
    /// What is known of a new connection.
    pub fn connection(&self, peer: Peer) -> SignConnection {
        let callers = self.callers.load_full();
        let caller = callers.find(&peer).cloned();
        SignConnection { peer, resolved: RwLock::new((callers, caller)) }
    }

    /// Answers for the connection's caller. Nothing that connections share is counted up or locked for it.
    fn for_caller(
        &self,
        connection: &SignConnection,
        id: Option<&RequestId>,
        answer: impl FnOnce(&ResolvedCaller) -> Answer,
    ) -> Answer {
        let callers = self.callers.load();
        let known = connection.resolved.read().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&known.0, &callers) {
            return match known.1.as_deref() {
                Some(caller) => answer(caller),
                None => self.nobody(&connection.peer, id),
            };
        }
        drop(known);
        let caller = callers.find(&connection.peer).cloned();
        let mut known = connection.resolved.write().unwrap_or_else(PoisonError::into_inner);
        *known = (Arc::clone(&callers), caller.clone());
        drop(known);
        match caller {
            Some(caller) => answer(&caller),
            None => self.nobody(&connection.peer, id),
        }
    }

    /// As [`SignApi::for_caller`]; the answer is given when what it decided is written down.
    async fn recorded(
        &self,
        connection: &SignConnection,
        id: Option<&RequestId>,
        answer: impl FnOnce(&ResolvedCaller, &mut Record<'_>) -> Answer,
    ) -> Answer {
        let mut receipt = None;
        let answer = self.for_caller(connection, id, |caller| {
            let mut record = self.record(connection, caller, id);
            let answer = answer(caller, &mut record);
            receipt = record.hand_over();
            answer
        });
        if let Some(receipt) = receipt
            && !receipt.lets_pass().await
        {
            return Refusal::Audit.answer();
        }
        answer
    }

    fn record<'a>(
        &'a self,
        connection: &SignConnection,
        caller: &'a ResolvedCaller,
        id: Option<&'a RequestId>,
    ) -> Record<'a> {
        let id = id.map(RequestId::as_str);
        self.recorder.record(&caller.policy.caller().name, connection.peer.subject(), id)
    }

    /// The connection's caller, for answers that must wait: nothing is held meanwhile.
    fn caller(&self, connection: &SignConnection) -> Option<Arc<ResolvedCaller>> {
        self.callers.load().find(&connection.peer).cloned()
    }

    fn nobody(&self, peer: &Peer, id: Option<&RequestId>) -> Answer {
        self.metrics.nobody();
        let Peer { uid, gids, .. } = peer;
        let detail =
            format!("no [[caller]] matches uid {uid} with groups {gids:?}; add one to the configuration");
        let mut record = self.recorder.record("", peer.subject(), id.map(RequestId::as_str));
        record.denied("no-caller");
        record.refused("denied:no-caller", Some("no-caller"), &detail);
        // Nobody waits: no token is given out.
        let _ = record.hand_over();
        answer::problem(StatusCode::FORBIDDEN, "denied:no-caller", &detail, "")
    }

    async fn route(
        &self,
        connection: &SignConnection,
        head: &Parts,
        id: Option<&RequestId>,
        body: &[u8],
    ) -> Answer {
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/v1/tokens") => {
                self.recorded(connection, id, |caller, record| self.tokens(caller, record, body)).await
            }
            (&Method::POST, "/v1/tokens/batch") => {
                self.recorded(connection, id, |caller, record| self.batch(caller, record, body)).await
            }
            (&Method::POST, "/v1/tokens/verify") => {
                self.recorded(connection, id, |caller, record| self.verify(caller, record, body)).await
            }
            (&Method::POST, "/v1/webhooks/verify") => {
                self.recorded(connection, id, |caller, record| {
                    self.webhook(caller, record, &head.headers, body)
                })
                .await
            }
            (&Method::POST, "/v1/tokens/refresh") => match self.caller(connection) {
                Some(caller) => self.refresh(&caller, self.record(connection, &caller, id), body).await,
                None => self.nobody(&connection.peer, id),
            },
            (&Method::POST, "/v1/token-exchange") => match self.caller(connection) {
                Some(caller) => self.exchange(&caller, self.record(connection, &caller, id), body).await,
                None => self.nobody(&connection.peer, id),
            },
            (&Method::POST, "/token") => match self.caller(connection) {
                Some(caller) => {
                    self.endpoint(&caller, self.record(connection, &caller, id), head, body).await
                }
                None => self.nobody(&connection.peer, id),
            },
            (&Method::GET, "/v1/keys") => self.for_caller(connection, id, |caller| keys::list(caller, head)),
            (&Method::GET, "/openapi.json") => super::openapi::serve(&openapi::DOCUMENT),
            (&Method::GET, "/healthz") => telemetry::healthy(),
            (&Method::GET, "/readyz") => telemetry::ready(&self.signers, &self.conditions, head.uri.query()),
            (
                _,
                "/v1/tokens"
                | "/v1/tokens/batch"
                | "/v1/tokens/verify"
                | "/v1/tokens/refresh"
                | "/v1/webhooks/verify"
                | "/v1/token-exchange"
                | "/token",
            ) => answer::wrong_method("POST"),
            (_, "/v1/keys" | "/healthz" | "/readyz" | "/openapi.json") => answer::wrong_method("GET"),
            (_, path) => answer::no_such_path(
                path,
                "/v1/tokens, /v1/tokens/batch, /v1/tokens/verify, /v1/tokens/refresh, /v1/webhooks/verify, /v1/token-exchange, /token, /v1/keys, /healthz, /readyz and /openapi.json",
            ),
        }
    }
}

impl Handler for SignApi {
    type Connection = SignConnection;

    async fn answer(&self, connection: &SignConnection, head: &Parts, body: &[u8]) -> Answer {
        // Only a trail makes an id worth anything.
        let id = self.recorder.trail.is_some().then(|| RequestId::of(head));
        let mut answer = self.route(connection, head, id.as_ref(), body).await;
        if let Some(id) = id {
            id.tell(&mut answer);
        }
        answer
    }

    fn max_body(&self, path: &str, usual: usize) -> usize {
        if path == "/v1/tokens/batch" { LARGEST_BATCH_BODY.max(usual) } else { usual }
    }
}
