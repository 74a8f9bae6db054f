//! `POST /v1/tokens/batch`: many tokens in one answer, each with its own fate.

use hyper::StatusCode;
use livekit_keyd_core::request::{BatchRequest, TokenRequest};

use super::SignApi;
use super::mint::mint;
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::clock;

/// What one result takes, nearly always.
const USUAL_RESULT: usize = 600;

impl SignApi {
    pub(super) fn batch(&self, caller: &ResolvedCaller, body: &[u8]) -> Answer {
        let batch = match BatchRequest::parse(body) {
            Ok(batch) => batch,
            Err(problem) => {
                let (status, kind) = answer::parts(&problem);
                return answer::problem(status, &kind, &problem.detail, &problem.pointer);
            }
        };
        let now = clock::now();
        let mut out = Vec::with_capacity(batch.tokens.len() * USUAL_RESULT);
        out.extend_from_slice(b"{\"results\":[");
        for (index, request) in batch.tokens.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let request = TokenRequest::parse(request.get().as_bytes());
            if let Err(refusal) =
                request.map_err(Into::into).and_then(|request| mint(caller, request, now, &mut out))
            {
                refusal.count(caller);
                let (status, kind, detail, pointer) = refusal.parts();
                let pointer = format!("/tokens/{index}{pointer}");
                out.extend_from_slice(&answer::problem_json(status, &kind, &detail, &pointer));
            }
        }
        out.extend_from_slice(b"]}");
        answer::json(StatusCode::OK, out)
    }
}
