//! `POST /v1/tokens/verify`: would LiveKit accept this token? (RFC 7662: a bad one is inactive, not an error.)

use hyper::StatusCode;
use jsonwebtoken::Algorithm;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::request::VerifyRequest;
use livekit_keyd_core::verify::{Reason, Signature, Unverified};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::SignApi;
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::audit::{Record, Suspicion};
use crate::clock;
use crate::signer::Keyring;

/// The answer. A token that is refused shows no claims.
#[derive(Serialize, JsonSchema)]
pub(super) struct Verdict {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

impl SignApi {
    pub(super) fn verify(&self, caller: &ResolvedCaller, record: &mut Record<'_>, body: &[u8]) -> Answer {
        let question = match VerifyRequest::parse(body) {
            Ok(question) => question,
            Err(problem) => {
                let (status, kind) = answer::parts(&problem);
                record.refused(&kind, None, &problem.detail);
                return answer::problem(status, &kind, &problem.detail, &problem.pointer);
            }
        };
        let keyring = caller.signer.keyring();
        let Some(keyring) = keyring.as_ref() else {
            let why = crate::signer::NoKey::NeverRead.to_string();
            record.refused("no-usable-key", None, &why);
            return answer::problem(StatusCode::SERVICE_UNAVAILABLE, "no-usable-key", &why, "");
        };
        let token = question.token.trim();
        let verdict = judge(keyring, token, record);
        match verdict.reason {
            None => record.verified(),
            Some(reason) => record.refused(reason, None, &verdict.reasons.join("; ")),
        }
        let result = verdict.reason.unwrap_or("active");
        self.metrics.verified.with_label_values(&[result]).inc();
        answer::value(StatusCode::OK, &verdict)
    }
}

fn judge(keyring: &Keyring, text: &str, record: &mut Record<'_>) -> Verdict {
    let token = match Unverified::parse(text) {
        Ok(token) => token,
        Err(reason) => return refused(&[reason], None, None),
    };
    let now = clock::now();
    let signature = signature(keyring, &token);
    let reasons = token.reasons(signature, now);
    notice(record, signature, &token, text);
    // Whose key it is, is told only of a token that the key really made.
    let proven = matches!(signature, Signature::Good | Signature::Compromised | Signature::Retired);
    let key = token.key_id().map(KeyId::new).filter(|_| proven);
    let known = key.as_ref().and_then(|id| keyring.document.key(id));
    let phase = known.map(|key| match key.compromised_at {
        Some(_) => "compromised",
        None => Phase::of(&keyring.document, key, now).as_str(),
    });
    let key_id = key.map(|id| id.to_string());
    if !reasons.is_empty() {
        return refused(&reasons, key_id, phase);
    }
    let claims = Some(token.claims);
    Verdict { active: true, claims, key_id, phase, reason: None, reasons: Vec::new() }
}

/// A token whose signature says that somebody holds what they should not deserves a look, wherever it is shown.
pub(super) fn notice(record: &mut Record<'_>, signature: Signature, token: &Unverified<'_>, text: &str) {
    record.shown(text, token.key_id());
    let suspicion = match signature {
        Signature::Good | Signature::Unchecked => return,
        Signature::Wrong => Suspicion::WrongSignature,
        Signature::UnknownKey => Suspicion::UnknownKey,
        Signature::Compromised => Suspicion::CompromisedKey,
        Signature::Retired => Suspicion::RetiredKey,
    };
    record.suspicious(suspicion);
}

fn refused(reasons: &[Reason], key_id: Option<String>, phase: Option<&'static str>) -> Verdict {
    Verdict {
        active: false,
        claims: None,
        key_id,
        phase,
        reason: reasons.first().map(Reason::as_str),
        reasons: reasons.iter().map(Reason::to_string).collect(),
    }
}

/// What the keyring knows of a token's signature.
pub(super) fn signature(keyring: &Keyring, token: &Unverified<'_>) -> Signature {
    let Some(id) = token.key_id() else { return Signature::UnknownKey };
    let Some(key) = keyring.verifying.iter().find(|key| key.id.as_str() == id) else {
        return Signature::UnknownKey;
    };
    let message = token.message.as_bytes();
    let good = jsonwebtoken::crypto::verify(token.signature, message, &key.decoding, Algorithm::HS256);
    match (good, keyring.document.key(&key.id)) {
        (Ok(true), Some(known)) if known.compromised_at.is_some() => Signature::Compromised,
        (Ok(true), Some(known)) if known.unpublished_at.is_some() => Signature::Retired,
        (Ok(true), _) => Signature::Good,
        _ => Signature::Wrong,
    }
}
