//! Why LiveKit would refuse a token: every reason, not only the first.
//!
//! Judged as livekit-server 1.13 and the official verifiers do, which do not agree
//! among themselves: what breaks one of them is a reason.

mod claims;
mod reason;
mod strict;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub use reason::Reason;
pub(crate) use strict::Strict;

use crate::time::Time;

/// How far clocks may differ before LiveKit refuses `nbf` or `exp`, in seconds.
pub const LEEWAY: i64 = 60;

/// The longest token that is looked at, in bytes.
pub const LONGEST_TOKEN: usize = 64 * 1024;

/// A token taken apart, before anybody looked at its signature.
#[derive(Clone, Debug)]
pub struct Unverified<'a> {
    /// What is signed: header and payload as they were written.
    pub message: &'a str,
    /// The signature as it was written.
    pub signature: &'a str,
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    repeated: Option<String>,
}

/// What is known of a token from outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// A known key made it.
    Good,
    /// The key is known, and it did not make it.
    Wrong,
    /// No key of that id is known.
    UnknownKey,
    /// The key is known as compromised.
    Compromised,
    /// The key was taken out of what is published.
    Retired,
    /// Nobody checked: there was no daemon to ask.
    Unchecked,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is no JWT.
    pub fn parse(token: &'a str) -> Result<Unverified<'a>, Reason> {
        if token.len() > LONGEST_TOKEN {
            return Err(Reason::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::NotThreeParts)?;
        let (header, payload) = message.split_once('.').ok_or(Reason::NotThreeParts)?;
        if payload.contains('.') {
            return Err(Reason::NotThreeParts);
        }
        let (header, in_header) = object(header).ok_or(Reason::HeaderUnreadable)?;
        let (claims, in_claims) = object(payload).ok_or(Reason::ClaimsUnreadable)?;
        let repeated = in_header.or(in_claims);
        Ok(Unverified { message, signature, header, claims, repeated })
    }

    /// The key that the token says it was signed with.
    pub fn key_id(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Every reason why LiveKit would refuse it, the worst first; none if it would be accepted.
    pub fn reasons(&self, signature: Signature, now: Time) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.header.get("alg").and_then(Value::as_str) != Some("HS256") {
            reasons.push(Reason::Algorithm);
        }
        if self.header.contains_key("crit") {
            reasons.push(Reason::Critical);
        }
        if self.key_id().is_none_or(str::is_empty) {
            reasons.push(Reason::NoKeyId);
        } else {
            reasons.extend(match signature {
                Signature::Good | Signature::Unchecked => None,
                Signature::Wrong => Some(Reason::WrongSignature),
                Signature::UnknownKey => Some(Reason::UnknownKey),
                Signature::Compromised => Some(Reason::CompromisedKey),
                Signature::Retired => Some(Reason::RetiredKey),
            });
        }
        if let Some(name) = &self.repeated {
            reasons.push(Reason::Repeated(name.clone()));
        }
        claims::judge(&self.claims, now, &mut reasons);
        reasons
    }
}

fn object(part: &str) -> Option<(Map<String, Value>, Option<String>)> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Strict { value: Value::Object(members), repeated } => Some((members, repeated)),
        Strict { .. } => None,
    }
}
