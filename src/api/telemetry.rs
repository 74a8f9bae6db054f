//! The telemetry listener: metrics, health and readiness over TCP. Nothing here issues a token.

use std::collections::BTreeMap;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use prometheus::{Registry, TextEncoder};

use super::answer::{self, Answer};
use super::server::Handler;
use crate::clock;
use crate::conditions::Conditions;
use crate::signer::Signer;

/// What the telemetry listener tells.
pub struct Telemetry {
    /// All metrics.
    pub registry: Registry,
    /// For readiness.
    pub signers: Arc<BTreeMap<String, Arc<Signer>>>,
    /// For readiness.
    pub conditions: Arc<Conditions>,
}

impl Handler for Telemetry {
    type Connection = ();

    async fn answer(&self, (): &(), head: &Parts, _body: &[u8]) -> Answer {
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/metrics") => self.metrics(),
            (&Method::GET, "/healthz") => healthy(),
            (&Method::GET, "/readyz") => ready(&self.signers, &self.conditions, head.uri.query()),
            (_, "/metrics" | "/healthz" | "/readyz") => answer::wrong_method("GET"),
            (_, path) => answer::no_such_path(path, "/metrics, /healthz and /readyz"),
        }
    }
}

impl Telemetry {
    fn metrics(&self) -> Answer {
        let mut text = String::new();
        match TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            Ok(()) => plain(StatusCode::OK, text),
            Err(error) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}\n"))
            }
        }
    }
}

/// The process answers: nothing else is asked, so that an outage of the store restarts nobody.
pub fn healthy() -> Answer {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// Whether tokens of every keyset can be minted now. `verbose` lists every degradation beside.
pub fn ready(
    signers: &BTreeMap<String, Arc<Signer>>,
    conditions: &Conditions,
    query: Option<&str>,
) -> Answer {
    let now = clock::now();
    let unusable: Vec<_> = signers
        .iter()
        .filter_map(|(name, signer)| {
            signer.usable(now).err().map(|why| format!("not ready: {name}: {why}\n"))
        })
        .collect();
    let status = if unusable.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = if unusable.is_empty() { "ready\n".to_owned() } else { unusable.concat() };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part == "verbose=true"));
    if verbose {
        text.extend(conditions.degradations().into_iter().map(|line| format!("degraded: {line}\n")));
    }
    plain(status, text)
}

fn plain(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    // The classic format of Prometheus, which is plain text as well.
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
