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
use livekit_keyd_core::audit::Action;

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

/// A request, as its events tell of it.
#[derive(Clone, Copy)]
struct Call<'a> {
    connection: &'a SignConnection,
    id: Option<&'a str>,
    action: Action,
}

impl SignApi {
    /// What is known of a new connection.
    pub fn connection(&self, peer: Peer) -> SignConnection {
        let callers = self.callers.load_full();
        let caller = callers.find(&peer).cloned();
        SignConnection { peer, resolved: RwLock::new((callers, caller)) }
    }

    /// Answers for the connection's caller. Nothing that connections share is counted up or locked for it.
    fn for_caller(&self, call: Call<'_>, answer: impl FnOnce(&ResolvedCaller) -> Answer) -> Answer {
        let callers = self.callers.load();
        let connection = call.connection;
        let known = connection.resolved.read().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&known.0, &callers) {
            return match known.1.as_deref() {
                Some(caller) => answer(caller),
                None => self.nobody(call),
            };
        }
        drop(known);
        let caller = callers.find(&connection.peer).cloned();
        let mut known = connection.resolved.write().unwrap_or_else(PoisonError::into_inner);
        *known = (Arc::clone(&callers), caller.clone());
        drop(known);
        match caller {
            Some(caller) => answer(&caller),
            None => self.nobody(call),
        }
    }

    /// As [`SignApi::for_caller`]; the answer is given when what it decided is written down.
    async fn recorded(
        &self,
        call: Call<'_>,
        answer: impl FnOnce(&ResolvedCaller, &mut Record<'_>) -> Answer,
    ) -> Answer {
        let mut receipt = None;
        let answer = self.for_caller(call, |caller| {
            let mut record = self.record(call, caller);
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

    fn record<'a>(&'a self, call: Call<'a>, caller: &'a ResolvedCaller) -> Record<'a> {
        self.recorder.record(
            call.action,
            &caller.policy.caller().name,
            call.connection.peer.subject(),
            call.id,
        )
    }

    /// The connection's caller, for answers that must wait: nothing is held meanwhile.
    fn caller(&self, call: Call<'_>) -> Option<Arc<ResolvedCaller>> {
        self.callers.load().find(&call.connection.peer).cloned()
    }

    fn nobody(&self, call: Call<'_>) -> Answer {
        self.metrics.nobody();
        let peer = &call.connection.peer;
        let Peer { uid, gids, .. } = peer;
        let detail =
            format!("no [[caller]] matches uid {uid} with groups {gids:?}; add one to the configuration");
        let mut record = self.recorder.record(call.action, "", peer.subject(), call.id);
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
        let id = id.map(RequestId::as_str);
        let call = |action| Call { connection, id, action };
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/v1/tokens") => {
                let call = call(Action::TokenIssue);
                self.recorded(call, |caller, record| self.tokens(caller, record, body)).await
            }
            (&Method::POST, "/v1/tokens/batch") => {
                let call = call(Action::TokenIssue);
                self.recorded(call, |caller, record| self.batch(caller, record, body)).await
            }
            (&Method::POST, "/v1/tokens/verify") => {
                let call = call(Action::TokenVerify);
                self.recorded(call, |caller, record| self.verify(caller, record, body)).await
            }
            (&Method::POST, "/v1/webhooks/verify") => {
                let (call, headers) = (call(Action::WebhookVerify), &head.headers);
                self.recorded(call, |caller, record| self.webhook(caller, record, headers, body)).await
            }
            (&Method::POST, "/v1/tokens/refresh") => {
                let call = call(Action::TokenRefresh);
                match self.caller(call) {
                    Some(caller) => self.refresh(&caller, self.record(call, &caller), body).await,
                    None => self.nobody(call),
                }
            }
            (&Method::POST, "/v1/token-exchange") => {
                let call = call(Action::TokenExchange);
                match self.caller(call) {
                    Some(caller) => self.exchange(&caller, self.record(call, &caller), body).await,
                    None => self.nobody(call),
                }
            }
            (&Method::POST, "/token") => {
                let call = call(Action::TokenExchange);
                match self.caller(call) {
                    Some(caller) => self.endpoint(&caller, self.record(call, &caller), head, body).await,
                    None => self.nobody(call),
                }
            }
            (&Method::GET, "/v1/keys") => {
                self.for_caller(call(Action::KeyList), |caller| keys::list(caller, head))
            }
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
