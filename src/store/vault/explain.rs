//! What an error of the client means, in a sentence for the operator, with the server's own words.

use std::time::Duration;

use rustify::errors::ClientError as HttpError;
use serde::Deserialize;
use vaultrs::error::ClientError;

use super::config::VaultAuth;
use crate::store::StoreError;

/// What was attempted, and where.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) doing: Doing<'a>,
    pub(super) address: &'a str,
    pub(super) timeout: Duration,
}

/// What was attempted.
#[derive(Clone, Copy)]
pub(super) enum Doing<'a> {
    /// A call about a path.
    Path { verb: &'static str, mount: &'a str, path: &'a str },
    /// A login, or its renewal.
    Login { verb: &'static str, auth: &'a VaultAuth },
}

impl Attempt<'_> {
    fn failed(&self, why: &str) -> String {
        let address = self.address;
        match self.doing {
            Doing::Path { verb, mount, path } => {
                format!("cannot {verb} {mount}/{path} in Vault at {address}: {why}")
            }
            Doing::Login { verb, auth } => {
                format!("cannot {verb} Vault at {address} by {}: {why}", auth.words())
            }
        }
    }

    fn refused(&self, why: &str) -> StoreError {
        StoreError::Refused { sentence: self.failed(why) }
    }

    /// Nothing was heard of what was sent: a write may have been done all the same.
    fn unanswered(&self, why: &str) -> StoreError {
        let unsure = match self.doing {
            Doing::Path { verb: "write", .. } => "; the write may or may not have landed",
            _ => "",
        };
        StoreError::Unreachable { sentence: format!("{}{unsure}", self.failed(why)) }
    }

    /// What was asked for was certainly not done.
    fn unreachable(&self, why: &str) -> StoreError {
        StoreError::Unreachable { sentence: self.failed(why) }
    }
}

pub(super) fn malformed(attempt: Attempt<'_>, what: &str) -> StoreError {
    let sentence = format!("{}: put the previous version of it back", attempt.failed(what));
    StoreError::Malformed { sentence }
}

/// The error of a call, as the store tells it.
pub(super) fn explain(error: ClientError, attempt: Attempt<'_>) -> StoreError {
    match error {
        // No code tells a lost check-and-set from other mistakes.
        ClientError::APIError { code: 400, errors }
            if errors.iter().any(|text| text.contains("check-and-set parameter did not match")) =>
        {
            StoreError::Conflict
        }
        ClientError::APIError { code, errors } => status(code, &errors.join("; "), attempt),
        ClientError::RestClientError { source } => transport(&source, attempt),
        // What was answered is Vault's form without the data.
        ClientError::ResponseEmptyError
        | ClientError::ResponseDataEmptyError
        | ClientError::JsonParseError { .. } => malformed(attempt, "the answer holds no data"),
        other => attempt.refused(&other.to_string()),
    }
}

fn status(code: u16, words: &str, attempt: Attempt<'_>) -> StoreError {
    let quoted = if words.is_empty() { "no reason given" } else { words };
    let why = |hint: &str| format!("it answers {code} ({quoted}); {hint}");
    match (code, attempt.doing) {
        // A mount of version 2 prepares itself for a moment after it was made.
        (400, _) if words.contains("Upgrading from non-versioned") => attempt.unreachable(&why("it is tried again")),
        (403, Doing::Path { .. }) => attempt.refused(&why(
            "the token's policy does not allow it, or the token has ended: see `vault token capabilities`, and compare the policy with what `livekit-keyd vault-policy` prints",
        )),
        (404, Doing::Path { .. }) => {
            attempt.refused(&why("check [store.vault] mount: it must be a KV secrets engine of version 2"))
        }
        (412 | 429 | 472 | 473, _) => attempt.unreachable(&why("it is tried again")),
        (404, Doing::Login { .. }) => attempt.refused(&why(
            "check [store.vault.auth] mount_path, and [store.vault] namespace: the method must be enabled there",
        )),
        (400..=499, Doing::Login { auth, .. }) => attempt.refused(&why(&auth.remedy())),
        (503, _) => attempt.unreachable(&why("Vault is sealed or in maintenance: unseal it")),
        // An answer to a renewal that says no for good, whatever its number.
        (500, Doing::Login { .. }) if words.contains("past the max TTL") => {
            attempt.refused(&why("its longest life is over"))
        }
        (500..=599, _) => attempt.unanswered(&why("see Vault's own log")),
        (300..=399, _) => attempt.refused(&why(
            "it redirects elsewhere: give the address of the active node, or of a balancer before it",
        )),
        _ => attempt.refused(&why("see Vault's own log")),
    }
}

fn transport(error: &HttpError, attempt: Attempt<'_>) -> StoreError {
    let no_vault = |code: u16| {
        let why = format!("it answers {code} and no word that is Vault's: is this the address of a Vault?");
        StoreError::Malformed { sentence: attempt.failed(&why) }
    };
    match error {
        HttpError::RequestError { source, .. } | HttpError::ResponseError { source } => {
            silence(source, attempt)
        }
        HttpError::ServerResponseError { code, content } => {
            let words = content.as_deref().and_then(|text| serde_json::from_str::<Errors>(text).ok());
            match words {
                Some(words) => status(*code, &words.errors.join("; "), attempt),
                None if (500..600).contains(code) => {
                    attempt.unanswered(&format!("it answers {code}; a proxy before it may be down"))
                }
                None if (300..400).contains(code) => status(*code, "", attempt),
                None => no_vault(*code),
            }
        }
        HttpError::ResponseParseError { content, .. } if is_other_engine(content.as_deref()) => attempt
            .refused("it answers as another engine does: check [store.vault] mount: it must be a KV secrets engine of version 2"),
        HttpError::ResponseParseError { .. } | HttpError::ResponseConversionError { .. } => no_vault(200),
        other => attempt.refused(&other.to_string()),
    }
}

fn silence(error: &anyhow::Error, attempt: Attempt<'_>) -> StoreError {
    let http = error.downcast_ref::<reqwest::Error>();
    let cause = innermost(error);
    if http.is_some_and(reqwest::Error::is_timeout) {
        let within = livekit_keyd_core::duration::format(attempt.timeout);
        return attempt.unanswered(&format!("no answer within {within}"));
    }
    if cause.contains("certificate") {
        let hint = "check [store.vault] ca_cert and tls_server_name";
        return attempt.unreachable(&format!("its certificate is not trusted ({cause}); {hint}"));
    }
    if http.is_some_and(reqwest::Error::is_connect) {
        return attempt.unreachable(&cause);
    }
    attempt.unanswered(&cause)
}

/// Version 1 of the KV engine answers a write with nothing, and a read in Vault's form, but of another shape.
fn is_other_engine(content: Option<&str>) -> bool {
    #[derive(Deserialize)]
    struct Form {
        #[serde(rename = "request_id")]
        _request_id: String,
    }
    content.is_none_or(|text| text.is_empty() || serde_json::from_str::<Form>(text).is_ok())
}

/// The cause that says most: the last of the chain.
fn innermost(error: &anyhow::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

/// The body of a 404 for a path whose current version is deleted or destroyed.
#[derive(Deserialize)]
struct Deleted {
    data: DeletedData,
}

#[derive(Deserialize)]
struct DeletedData {
    metadata: DeletedMetadata,
}

#[derive(Deserialize)]
struct DeletedMetadata {
    version: u64,
}

/// A path that is not there says nothing; a mount that is not there says so.
pub(super) fn is_absent(error: &ClientError) -> bool {
    matches!(error, ClientError::APIError { code: 404, errors } if errors.is_empty())
}

pub(super) fn is_forbidden(error: &ClientError) -> bool {
    match error {
        ClientError::APIError { code, .. } => *code == 403,
        ClientError::RestClientError { source: HttpError::ServerResponseError { code, .. } } => *code == 403,
        _ => false,
    }
}

/// The version that was deleted, if the answer says that there was one.
pub(super) fn deleted_version(error: &ClientError) -> Option<u64> {
    let ClientError::RestClientError { source: HttpError::ServerResponseError { content: Some(text), .. } } =
        error
    else {
        return None;
    };
    serde_json::from_str::<Deleted>(text).ok().map(|deleted| deleted.data.metadata.version)
}
