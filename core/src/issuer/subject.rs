//! A token from an issuer: taken apart, and judged once its signature is known to be good.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::refused::Refused;
use crate::time::Time;
use crate::verify::{LONGEST_TOKEN, Strict};

/// What a token must say to be for us.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Whom it must name, one of them.
    pub audience: &'a [String],
    /// How far clocks may differ, in seconds.
    pub clock_skew: i64,
}

/// A token that nobody has verified yet.
#[derive(Debug)]
pub struct SubjectToken<'a> {
    /// What is signed: header and payload as they were written.
    pub message: &'a str,
    /// The signature as it was written.
    pub signature: &'a str,
    algorithm: String,
    kid: Option<String>,
    claims: Map<String, Value>,
}

impl<'a> SubjectToken<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is no signed JWT that could be judged.
    pub fn parse(token: &'a str) -> Result<SubjectToken<'a>, Refused> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refused::TooLong);
        }
        let parts: Vec<_> = token.splitn(6, '.').collect();
        let [header, claims, signature] = match parts.as_slice() {
            [header, claims, signature] => [header, claims, signature],
            [_, _, _, _, _] => return Err(Refused::Encrypted),
            _ => return Err(Refused::Opaque),
        };
        let header = object(header, "header")?;
        if header.contains_key("crit") {
            return Err(Refused::Critical);
        }
        check_kind(&header)?;
        let algorithm = text(&header, "alg", "text")?.ok_or(Refused::Algorithm)?;
        let kid = text(&header, "kid", "text")?;
        let message = &token[..token.len() - signature.len() - 1];
        Ok(SubjectToken { message, signature, algorithm, kid, claims: object(claims, "payload")? })
    }

    /// Who says that it made this.
    ///
    /// # Errors
    /// `iss` is not there, or no text.
    pub fn issuer(&self) -> Result<&str, Refused> {
        match self.claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            _ => Err(Refused::WrongForm { name: "iss", wanted: "text" }),
        }
    }

    /// Whom it says that it stands for.
    pub fn subject(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    /// The key that it names.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Its algorithm, if that is allowed.
    ///
    /// # Errors
    /// It is not.
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Refused> {
        let named = allowed.iter().find(|allowed| allowed.as_str() == self.algorithm);
        named.copied().ok_or(Refused::Algorithm)
    }

    /// Its claims, once its signature was found to be good: are they for us, and for now?
    ///
    /// # Errors
    /// Why not.
    pub fn claims(self, expected: Expected<'_>, now: Time) -> Result<Map<String, Value>, Refused> {
        let claims = self.claims;
        check_audience(&claims, expected.audience)?;
        let (now, skew) = (now.as_secs(), expected.clock_skew);
        let exp = seconds(&claims, "exp")?;
        let exp = exp.ok_or(Refused::WrongForm { name: "exp", wanted: WHOLE_SECONDS })?;
        if now >= exp.saturating_add(skew) {
            return Err(Refused::Expired);
        }
        let from = [seconds(&claims, "nbf")?, seconds(&claims, "iat")?];
        if from.into_iter().flatten().any(|from| now < from.saturating_sub(skew)) {
            return Err(Refused::NotYetValid);
        }
        Ok(claims)
    }
}

const WHOLE_SECONDS: &str = "whole seconds since 1970, as a number";

fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Refused> {
    let wrong = Refused::WrongForm { name, wanted: WHOLE_SECONDS };
    claims.get(name).map(|value| value.as_i64().ok_or(wrong)).transpose()
}

/// One name, or a list of names of which one is enough (RFC 7519, section 4.1.3).
fn check_audience(claims: &Map<String, Value>, audience: &[String]) -> Result<(), Refused> {
    let wrong = Refused::WrongForm { name: "aud", wanted: "text, or a list of text" };
    let ours = |name: &Value| name.as_str().map(|name| audience.iter().any(|own| own == name));
    let named = match claims.get("aud") {
        Some(Value::Array(names)) => {
            let found: Option<Vec<bool>> = names.iter().map(ours).collect();
            found.map(|found| found.contains(&true))
        }
        Some(name) => ours(name),
        None => None,
    };
    match named.ok_or(wrong)? {
        true => Ok(()),
        false => Err(Refused::Audience),
    }
}

/// An ID token, or an access token by RFC 9068; not one that ends a session or proves a possession.
fn check_kind(header: &Map<String, Value>) -> Result<(), Refused> {
    let kind = text(header, "typ", "text")?.unwrap_or_default().to_ascii_lowercase();
    match kind.strip_prefix("application/").unwrap_or(&kind) {
        "" | "jwt" | "at+jwt" => Ok(()),
        _ => Err(Refused::OtherKind),
    }
}

fn text(
    members: &Map<String, Value>,
    name: &'static str,
    wanted: &'static str,
) -> Result<Option<String>, Refused> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refused::WrongForm { name, wanted }),
    }
}

fn object(part: &str, what: &'static str) -> Result<Map<String, Value>, Refused> {
    let unreadable = || Refused::Unreadable(what);
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable())?;
    match serde_json::from_slice(&bytes).map_err(|_| unreadable())? {
        Strict { repeated: Some(_), .. } => Err(Refused::Repeated),
        Strict { value: Value::Object(members), .. } => Ok(members),
        Strict { .. } => Err(unreadable()),
    }
}
