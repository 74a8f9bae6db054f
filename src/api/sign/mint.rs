//! One token: policy, lease, claims, signature.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use jsonwebtoken::Algorithm;
use livekit_keyd_core::claims::{Claims, Origin};
use livekit_keyd_core::policy::LimitedBy;
use livekit_keyd_core::problem::{Problem, ProblemKind};
use livekit_keyd_core::request::TokenRequest;
use livekit_keyd_core::time::Time;
use serde::Serialize;

use crate::api::answer;
use crate::api::callers::ResolvedCaller;
use crate::metrics::Outcome;
use crate::signer::NoKey;

/// `{"typ":"JWT","alg":"HS256"}` and the dot that follows it.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.";

/// Why there is no token.
pub(super) enum Refusal {
    /// The request's own fault.
    Problem(Problem),
    /// Nothing to sign with.
    NoKey(NoKey),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::Problem(problem)
    }
}

impl Refusal {
    /// Counts it with its caller.
    pub(super) fn count(&self, caller: &ResolvedCaller) {
        caller.metrics.saw(match self {
            Refusal::NoKey(_) => Outcome::Unavailable,
            Refusal::Problem(problem) => match problem.kind {
                ProblemKind::Malformed => Outcome::Malformed,
                ProblemKind::Denied => Outcome::Denied,
                ProblemKind::NotAToken => Outcome::NotAToken,
            },
        });
        if let Refusal::Problem(problem) = self
            && problem.kind == ProblemKind::Denied
        {
            caller.metrics.denied(problem.rule);
        }
    }

    /// Status, type, sentence and place.
    pub(super) fn parts(&self) -> (StatusCode, String, String, &str) {
        match self {
            Refusal::Problem(problem) => {
                let (status, kind) = answer::parts(problem);
                (status, kind, problem.detail.clone(), &problem.pointer)
            }
            Refusal::NoKey(why) => {
                (StatusCode::SERVICE_UNAVAILABLE, "no-usable-key".to_owned(), why.to_string(), "")
            }
        }
    }
}

/// A token's answer, as it is sent.
#[derive(Serialize)]
pub(super) struct Minted<'a> {
    token: String,
    key_id: &'a str,
    expires_at: Time,
    expires_in: i64,
    refresh_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_limited_by: Option<&'static str>,
}

/// Signs for a caller and writes the answer behind what is in `out`.
pub(super) fn mint(
    caller: &ResolvedCaller,
    request: TokenRequest,
    now: Time,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let approved = caller.policy.decide(request)?;
    let keyring = caller.signer.keyring();
    let keyring = keyring.as_ref().ok_or(Refusal::NoKey(NoKey::NeverRead))?;
    let signing = keyring.snapshot.at(now, caller.signer.age());
    let signing = signing.map_err(|why| Refusal::NoKey(NoKey::Unusable(why)))?;
    let rules = &keyring.document.rules;
    let lease = signing.latest_expiry.since(now);
    let ttl = approved.ttl.limit(rules.max_token_ttl, LimitedBy::Keyset).limit(lease, LimitedBy::Lease);
    let expires_at = Time::from_millis((now + ttl.granted).as_secs() * 1000);
    let key = &keyring.signing[signing.index];
    let origin =
        Origin { profile: &approved.profile, caller: &caller.policy.caller().name, auth_time: now.as_secs() };
    let claims =
        Claims::new(key.id.as_str(), &approved.participant, &approved.grants, origin, now, expires_at);
    let token = sign(&claims, key)?;
    let minted = Minted {
        token,
        key_id: key.id.as_str(),
        expires_at,
        expires_in: expires_at.as_secs() - now.as_secs(),
        refresh_at: now + refresh_after(expires_at.since(now)),
        server_url: rules.server_url.as_deref(),
        ttl_limited_by: ttl.limited_by.map(LimitedBy::as_str),
    };
    serde_json::to_writer(out, &minted).map_err(internal)?;
    key.usage.issued.inc();
    key.usage.last_used.set(now.as_secs());
    caller.metrics.issued.inc();
    caller.metrics.saw(Outcome::Ok);
    if let Some(by) = ttl.limited_by {
        caller.metrics.clamped(by);
    }
    Ok(())
}

/// At three quarters of its life a token is worth renewing: what is left bears a few failed tries.
fn refresh_after(life: Duration) -> Duration {
    life.mul_f64(0.75)
}

fn sign(claims: &Claims<'_>, key: &crate::signer::SigningKey) -> Result<String, Refusal> {
    let json = serde_json::to_vec(claims).map_err(internal)?;
    let mut token = String::with_capacity(HEADER.len() + json.len() * 4 / 3 + 48);
    token.push_str(HEADER);
    URL_SAFE_NO_PAD.encode_string(&json, &mut token);
    let signature = jsonwebtoken::crypto::sign(token.as_bytes(), &key.encoding, Algorithm::HS256);
    let signature = signature.map_err(internal)?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// Neither serialization nor HMAC fails; should they, the caller learns that there is no token.
fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::error!("a token could not be signed: {error}");
    Refusal::NoKey(NoKey::NeverRead)
}
