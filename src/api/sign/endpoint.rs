//! `POST /token`: what `TokenSource.endpoint` of LiveKit's client SDKs calls.
//!
//! The application forwards its user's request as it is, with the user's own token
//! in Authorization. Source of the form: `token_source.proto` of livekit/protocol.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use livekit_keyd_core::issuer::Asked;
use schemars::JsonSchema;
use serde::Serialize;

use super::SignApi;
use super::sign_on::Denied;
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;

#[derive(Serialize, JsonSchema)]
pub(super) struct Granted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    server_url: Option<&'a str>,
    participant_token: &'a str,
}

impl SignApi {
    pub(super) async fn endpoint(
        &self,
        caller: &ResolvedCaller,
        record: Record<'_>,
        head: &Parts,
        body: &[u8],
    ) -> Answer {
        let Some(bearer) = bearer(head) else {
            let detail = "send the user's own token as `Authorization: Bearer ...`, once";
            record.refused_alone("subject-token", detail);
            return challenge("Bearer", detail);
        };
        let asked = match Asked::from_endpoint(body) {
            Ok(asked) => asked,
            Err(problem) => {
                let (status, kind) = answer::parts(&problem);
                record.refused_alone(&kind, &problem.detail);
                return answer::problem(status, &kind, &problem.detail, &problem.pointer);
            }
        };
        let signed_on = self.sign_on_recorded(caller, record, bearer, asked, |minted| {
            let granted = Granted { server_url: minted.server_url, participant_token: minted.token };
            serde_json::to_vec(&granted).unwrap_or_default()
        });
        match signed_on.await {
            Ok(body) => {
                let mut answer = answer::json(StatusCode::CREATED, body);
                answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                answer
            }
            Err(Denied::Token(why)) => {
                challenge("Bearer error=\"invalid_token\"", &format!("the user's token is refused: {why}"))
            }
            Err(Denied::Refusal(refusal)) => {
                let (status, kind, detail, _) = refusal.parts();
                refusal.with_retry_after(answer::problem(status, &kind, &detail, ""))
            }
        }
    }
}

/// RFC 6750, section 2.1; nothing if there are two, since a proxy may have looked at the other.
fn bearer(head: &Parts) -> Option<&str> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn challenge(scheme: &'static str, detail: &str) -> Answer {
    let mut answer = answer::problem(StatusCode::UNAUTHORIZED, "subject-token", detail, "");
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    answer
}
