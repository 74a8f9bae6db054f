//! Tokens: policy, lease, claims, signature.
//!
//! What does not change between the tokens of one batch (the key, the lease, the
//! moment) is resolved once; counters go up once as well.

use std::time::Duration;

use arc_swap::Guard;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use livekit_keyd_core::claims::{Claims, Origin};
use livekit_keyd_core::members::Members;
use livekit_keyd_core::policy::{Approved, LimitedBy};
use livekit_keyd_core::problem::{Problem, ProblemKind};
use livekit_keyd_core::request::{Earlier, TokenRequest};
use livekit_keyd_core::snapshot::Signing;
use livekit_keyd_core::time::Time;
use schemars::JsonSchema;
use std::sync::Arc;

use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::api::limit::TooMany;
use crate::audit::{Issued, Record};
use crate::clock;
use crate::metrics::Outcome;
use crate::signer::{Keyring, NoKey};

/// `{"typ":"JWT","alg":"HS256"}` and the dot that follows it.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.";

/// Why there is no token.
pub(super) enum Refusal {
    /// The request's own fault.
    Problem(Problem),
    /// The caller asks too often.
    TooMany(TooMany),
    /// Nothing to sign with.
    NoKey(NoKey),
    /// The event could not be written down.
    Audit,
    /// Our own fault.
    Internal,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::Problem(problem)
    }
}

impl Refusal {
    /// Writes it down.
    pub(super) fn record(&self, record: &mut Record<'_>) {
        let rule = match self {
            Refusal::Problem(problem) if problem.kind == ProblemKind::Denied => Some(problem.rule),
            Refusal::TooMany(_) => Some("rate"),
            _ => None,
        };
        if let Some(rule) = rule {
            record.denied(rule);
        }
        if record.is_kept() {
            let (_, kind, detail, _) = self.parts();
            record.refused(&kind, rule, &detail);
        }
    }

    /// Counts it with its caller.
    pub(super) fn count(&self, caller: &ResolvedCaller) {
        caller.metrics.saw(match self {
            Refusal::NoKey(_) | Refusal::Audit | Refusal::Internal => Outcome::Unavailable,
            Refusal::TooMany(_) => Outcome::RateLimited,
            Refusal::Problem(problem) => match problem.kind {
                ProblemKind::Malformed => Outcome::Malformed,
                ProblemKind::Denied => Outcome::Denied,
                ProblemKind::NotAToken => Outcome::NotAToken,
            },
        });
        match self {
            Refusal::Problem(problem) if problem.kind == ProblemKind::Denied => {
                caller.metrics.denied(problem.rule);
            }
            Refusal::TooMany(_) => caller.metrics.limited(),
            _ => {}
        }
    }

    /// The whole answer.
    pub(super) fn answer(&self) -> Answer {
        let (status, kind, detail, pointer) = self.parts();
        self.with_retry_after(answer::problem(status, &kind, &detail, pointer))
    }

    /// An answer that says when to ask again, where that is known.
    pub(super) fn with_retry_after(&self, mut answer: Answer) -> Answer {
        if let Refusal::TooMany(many) = self {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(many.retry_after()));
        }
        answer
    }

    /// Status, type, sentence and place.
    pub(super) fn parts(&self) -> (StatusCode, String, String, &str) {
        match self {
            Refusal::Problem(problem) => {
                let (status, kind) = answer::parts(problem);
                (status, kind, problem.detail.clone(), &problem.pointer)
            }
            Refusal::TooMany(many) => {
                (StatusCode::TOO_MANY_REQUESTS, "rate-limited".to_owned(), many.to_string(), "")
            }
            Refusal::NoKey(why) => {
                (StatusCode::SERVICE_UNAVAILABLE, "no-usable-key".to_owned(), why.to_string(), "")
            }
            Refusal::Audit => {
                let detail = "no token is given out that the audit trail does not hold, and it cannot be written; the daemon's log says why".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "audit-refused".to_owned(), detail, "")
            }
            Refusal::Internal => {
                let detail = "the token could not be signed; the daemon's log says why".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "internal".to_owned(), detail, "")
            }
        }
    }
}

/// A token's answer, as it is sent.
#[derive(JsonSchema)]
pub(super) struct Minted<'a> {
    pub(super) token: &'a str,
    key_id: &'a str,
    expires_at: Time,
    pub(super) expires_in: i64,
    refresh_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_limited_by: Option<&'static str>,
}

impl Minted<'_> {
    /// Writes it as JSON behind what is in `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut members = Members::begin(out);
        members.put_plain("token", self.token.as_bytes());
        members.put("key_id", self.key_id);
        members.put("expires_at", self.expires_at);
        members.put("expires_in", self.expires_in);
        members.put("refresh_at", self.refresh_at);
        members.put_some("server_url", self.server_url);
        members.put_some("ttl_limited_by", self.ttl_limited_by);
        members.end();
    }
}

/// A sign-on: who vouches for the user, and who passed the user's token on.
#[derive(Clone, Copy)]
struct UserOf<'a> {
    issuer: &'a str,
    caller: &'a str,
}

/// A token that is renewed.
#[derive(Clone, Copy)]
struct Renewal<'a> {
    earlier: &'a Earlier,
    ends: Time,
    same_rights: bool,
}

/// A key that is ready at a moment, for one caller.
pub(super) struct Mint<'a> {
    caller: &'a ResolvedCaller,
    keyring: Guard<Option<Arc<Keyring>>>,
    signing: Signing,
    now: Time,
    user_of: Option<UserOf<'a>>,
    renewal: Option<Renewal<'a>>,
    issued: u64,
    claims: Vec<u8>,
    token: String,
}

impl<'a> Mint<'a> {
    /// What the caller's keyset signs with now.
    pub(super) fn open(caller: &'a ResolvedCaller) -> Result<Mint<'a>, Refusal> {
        let now = clock::now();
        let keyring = caller.signer.keyring();
        let known = keyring.as_ref().ok_or(Refusal::NoKey(NoKey::NeverRead))?;
        let signing = known.snapshot.at(now, caller.signer.age());
        let signing = signing.map_err(|why| Refusal::NoKey(NoKey::Unusable(why)))?;
        Ok(Mint {
            caller,
            keyring,
            signing,
            now,
            user_of: None,
            renewal: None,
            issued: 0,
            claims: Vec::with_capacity(512),
            token: String::new(),
        })
    }

    /// For a user that an issuer vouches for, whose token a caller passed on.
    pub(super) fn for_user_of(self, issuer: &'a str, caller: &'a str) -> Mint<'a> {
        let mut mint = self;
        mint.user_of = Some(UserOf { issuer, caller });
        mint
    }

    /// In place of an earlier token, until its session ends.
    ///
    /// An issuer's rules decide anew what their users may do; all others keep the `same_rights` or get nothing.
    pub(super) fn renewing(self, earlier: &'a Earlier, ends: Time, same_rights: bool) -> Mint<'a> {
        let mut mint = self;
        mint.renewal = Some(Renewal { earlier, ends, same_rights });
        mint
    }

    /// Signs one token and writes the answer behind what is in `out`.
    pub(super) fn token(
        &mut self,
        request: TokenRequest,
        record: &mut Record<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.sign(request, record)?.write(out);
        Ok(())
    }

    /// Signs one token.
    pub(super) fn sign(
        &mut self,
        request: TokenRequest,
        record: &mut Record<'_>,
    ) -> Result<Minted<'_>, Refusal> {
        record.asked(&request);
        if let Some(limit) = &self.caller.limit {
            limit.take().map_err(Refusal::TooMany)?;
        }
        let mut approved = self.caller.policy.decide(request)?;
        if let Some(renewal) = &self.renewal {
            renewal.check(&mut approved)?;
        }
        let keyring = self.keyring.as_ref().ok_or(Refusal::NoKey(NoKey::NeverRead))?;
        let (rules, key, now) = (&keyring.document.rules, &keyring.signing[self.signing.index], self.now);
        let lease = self.signing.latest_expiry.since(now);
        let ttl = approved.ttl.limit(rules.max_token_ttl, LimitedBy::Keyset).limit(lease, LimitedBy::Lease);
        let ttl = match &self.renewal {
            Some(renewal) => ttl.limit(renewal.ends.since(now), LimitedBy::Session),
            None => ttl,
        };
        let expires_at = Time::from_millis((now + ttl.granted).as_secs() * 1000);
        let caller = &self.caller.policy.caller().name;
        let (issuer, caller) = match self.user_of {
            Some(UserOf { issuer, caller }) => (issuer, caller),
            None => ("", caller.as_str()),
        };
        let auth_time = self.renewal.map_or(now.as_secs(), |renewal| renewal.earlier.issued.auth_time);
        let origin = Origin { profile: &approved.profile, caller, issuer, auth_time };
        let claims =
            Claims::new(key.id.as_str(), &approved.participant, &approved.grants, origin, now, expires_at)?;
        sign(&claims, &key.hmac, &mut self.claims, &mut self.token)?;
        let is_counted = record.issued(&Issued {
            token: &self.token,
            at: now,
            expires_at,
            approved: &approved,
            keyset: &keyring.document.keyset,
            key_id: key.id.as_str(),
            caller: &self.caller.metrics,
            usage: &key.usage,
        });
        if let Some(by) = ttl.limited_by {
            self.caller.metrics.clamped(by);
        }
        self.issued += u64::from(!is_counted);
        Ok(Minted {
            token: &self.token,
            key_id: key.id.as_str(),
            expires_at,
            expires_in: expires_at.as_secs() - now.as_secs(),
            refresh_at: now + refresh_after(expires_at.since(now)),
            server_url: rules.server_url.as_deref(),
            ttl_limited_by: ttl.limited_by.map(LimitedBy::as_str),
        })
    }
}

impl Renewal<'_> {
    /// Puts the earlier token's rights in place of those that policy gives, which must be the same.
    fn check(&self, approved: &mut Approved) -> Result<(), Refusal> {
        if !self.same_rights {
            return Ok(());
        }
        if !self.earlier.has_the_rights_of(&approved.grants) {
            let detail = "policy gives other rights by now than this token has: ask for a new token";
            return Err(Problem::denied("refresh", "/token", detail).into());
        }
        approved.grants.clone_from(&self.earlier.grants);
        Ok(())
    }
}

impl Drop for Mint<'_> {
    /// Counts what was signed, unless it waits for the audit trail.
    fn drop(&mut self) {
        let Some(keyring) = self.keyring.as_ref().filter(|_| self.issued > 0) else { return };
        keyring.signing[self.signing.index].usage.saw(self.issued, self.now);
        self.caller.metrics.issued(self.issued);
    }
}

/// At three quarters of its life a token is worth renewing: what is left bears a few failed tries.
fn refresh_after(life: Duration) -> Duration {
    life / 4 * 3
}

fn sign(claims: &Claims<'_>, key: &hmac::Key, json: &mut Vec<u8>, token: &mut String) -> Result<(), Refusal> {
    json.clear();
    serde_json::to_writer(&mut *json, claims).map_err(internal)?;
    token.clear();
    token.reserve(HEADER.len() + json.len() * 4 / 3 + 48);
    token.push_str(HEADER);
    URL_SAFE_NO_PAD.encode_string(&*json, token);
    let signature = hmac::sign(key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, token);
    Ok(())
}

/// Serialization of claims does not fail; should it, the caller learns that there is no token.
fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::error!("a token could not be signed: {error}");
    Refusal::Internal
}
