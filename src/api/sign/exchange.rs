//! `POST /v1/token-exchange`: RFC 8693. Its errors are those of RFC 6749, section 5.2.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA};
use livekit_keyd_core::issuer::{Exchange, OAuthError, TOKEN_TYPE};
use schemars::JsonSchema;
use serde::Serialize;

use super::SignApi;
use super::mint::Refusal;
use super::sign_on::Denied;
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;

#[derive(Serialize, JsonSchema)]
pub(super) struct Exchanged<'a> {
    access_token: &'a str,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_url: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Failed<'a> {
    error: &'a str,
    error_description: String,
}

impl SignApi {
    pub(super) async fn exchange(&self, caller: &ResolvedCaller, record: Record<'_>, body: &[u8]) -> Answer {
        let Exchange { subject_token, asked } = match Exchange::parse(body) {
            Ok(exchange) => exchange,
            Err(error) => {
                record.refused_alone(error.error, &error.description);
                return failed(StatusCode::BAD_REQUEST, &error);
            }
        };
        let signed_on = self.sign_on_recorded(caller, record, &subject_token, asked, |minted| {
            let exchanged = Exchanged {
                access_token: minted.token,
                issued_token_type: TOKEN_TYPE,
                // A LiveKit token is no OAuth access token (RFC 8693, section 2.2.1).
                token_type: "N_A",
                expires_in: minted.expires_in,
                server_url: minted.server_url,
            };
            serde_json::to_vec(&exchanged).unwrap_or_default()
        });
        match signed_on.await {
            Ok(body) => not_stored(answer::json(StatusCode::OK, body)),
            Err(Denied::Token(why)) => {
                let error =
                    OAuthError::new("invalid_request", format!("the subject token is refused: {why}"));
                failed(StatusCode::BAD_REQUEST, &error)
            }
            Err(Denied::Refusal(refusal)) => {
                let (status, _, detail, _) = refusal.parts();
                // A subject token that policy does not accept is an invalid request too (section 2.2.2).
                let (status, code) = match refusal {
                    Refusal::Problem(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
                    Refusal::NoKey(_) | Refusal::TooMany(_) | Refusal::Audit => {
                        (status, "temporarily_unavailable")
                    }
                    Refusal::Internal => (status, "server_error"),
                };
                refusal.with_retry_after(failed(status, &OAuthError::new(code, detail)))
            }
        }
    }
}

fn failed(status: StatusCode, OAuthError { error, description }: &OAuthError) -> Answer {
    // What RFC 6749 allows in a description.
    let plain = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    let error_description = description.chars().map(plain).collect();
    not_stored(answer::value(status, &Failed { error, error_description }))
}

fn not_stored(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}
