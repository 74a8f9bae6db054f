//! What an error of the client means, in a sentence for the operator, with the server's own words.

use std::time::Duration;

use rustify::errors::ClientError as HttpError;
use serde::Deserialize;
use vaultrs::error::ClientError;

use crate::store::StoreError;

/// What was attempted, and where.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) verb: &'static str,
    pub(super) path: &'a str,
    pub(super) mount: &'a str,
    pub(super) address: &'a str,
    pub(super) timeout: Duration,
}

impl Attempt<'_> {
    fn failed(&self, why: &str) -> String {
        let Attempt { verb, path, mount, address, .. } = self;
        format!("cannot {verb} {mount}/{path} in Vault at {address}: {why}")
    }
}

pub(super) fn malformed(attempt: Attempt<'_>, what: &str) -> StoreError {
    let sentence = format!("{}: put the previous version of it back", attempt.failed(what));
    StoreError::Malformed { sentence }
}

/// The error of a call, as the store tells it.
pub(super) fn explain(error: ClientError, attempt: Attempt<'_>) -> StoreError {
    match error {
        ClientError::APIError { code: 400, errors }
            if errors.iter().any(|text| text.contains("check-and-set")) =>
        {
            StoreError::Conflict
        }
        ClientError::APIError { code, errors } => status(code, &errors.join("; "), attempt),
        ClientError::RestClientError { source } => transport(&source, attempt),
        // What was answered is Vault's form without the data.
        ClientError::ResponseEmptyError
        | ClientError::ResponseDataEmptyError
        | ClientError::JsonParseError { .. } => malformed(attempt, "the answer holds no data"),
        other => StoreError::Refused { sentence: attempt.failed(&other.to_string()) },
    }
}

fn status(code: u16, words: &str, attempt: Attempt<'_>) -> StoreError {
    let words = if words.is_empty() { "no reason given" } else { words };
    let said = format!("it answers {code} ({words})");
    let refused = |hint: &str| StoreError::Refused { sentence: format!("{}; {hint}", attempt.failed(&said)) };
    let unreachable =
        |hint: &str| StoreError::Unreachable { sentence: format!("{}; {hint}", attempt.failed(&said)) };
    match code {
        403 => refused(
            "the token's policy does not allow it, or the token has ended: see `vault token capabilities`",
        ),
        404 => refused("check [store.vault] mount: it must be a KV secrets engine of version 2"),
        412 | 429 | 472 | 473 => unreachable("it is tried again"),
        503 => unreachable("Vault is sealed or in maintenance: unseal it"),
        500..=599 => unreachable("see Vault's own log"),
        300..=399 => {
            refused("it redirects elsewhere: give the address of the active node, or of a balancer before it")
        }
        _ => refused("see Vault's own log"),
    }
}

fn transport(error: &HttpError, attempt: Attempt<'_>) -> StoreError {
    let no_vault = |code: u16| {
        let why = format!("it answers {code} and no word that is Vault's: is this the address of a Vault?");
        StoreError::Malformed { sentence: attempt.failed(&why) }
    };
    match error {
        HttpError::RequestError { source, .. } | HttpError::ResponseError { source } => {
            let timed_out = source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout);
            let why = if timed_out {
                format!("no answer within {}", livekit_keyd_core::duration::format(attempt.timeout))
            } else {
                innermost(source)
            };
            StoreError::Unreachable { sentence: attempt.failed(&why) }
        }
        HttpError::ServerResponseError { code, content } => {
            let words = content.as_deref().and_then(|text| serde_json::from_str::<Errors>(text).ok());
            match words {
                Some(words) => status(*code, &words.errors.join("; "), attempt),
                None if (500..600).contains(code) => {
                    let why = format!("it answers {code}; a proxy before it may be down");
                    StoreError::Unreachable { sentence: attempt.failed(&why) }
                }
                None => no_vault(*code),
            }
        }
        HttpError::ResponseParseError { .. } | HttpError::ResponseConversionError { .. } => no_vault(200),
        other => StoreError::Refused { sentence: attempt.failed(&other.to_string()) },
    }
}

/// The cause that says most: the last of the chain.
fn innermost(error: &anyhow::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), |cause| cause.to_string())
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

pub(super) fn is_not_found(error: &ClientError) -> bool {
    code(error) == Some(404)
}

pub(super) fn is_forbidden(error: &ClientError) -> bool {
    code(error) == Some(403)
}

/// A mount that is not there says so; a path that is not there says nothing.
pub(super) fn is_missing_mount(error: &ClientError) -> bool {
    matches!(error, ClientError::APIError { code: 404, errors } if !errors.is_empty())
}

pub(super) fn deleted_version(error: &ClientError) -> Option<u64> {
    let ClientError::RestClientError { source: HttpError::ServerResponseError { content: Some(text), .. } } =
        error
    else {
        return None;
    };
    serde_json::from_str::<Deleted>(text).ok().map(|deleted| deleted.data.metadata.version)
}

fn code(error: &ClientError) -> Option<u16> {
    match error {
        ClientError::APIError { code, .. } => Some(*code),
        ClientError::RestClientError { source: HttpError::ServerResponseError { code, .. } } => Some(*code),
        _ => None,
    }
}
