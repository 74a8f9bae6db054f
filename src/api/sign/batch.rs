//! `POST /v1/tokens/batch`: many tokens in one answer, each with its own fate.

use hyper::StatusCode;
use livekit_keyd_core::problem::Problem;
use livekit_keyd_core::request::{BatchRequest, TokenRequest};
use schemars::JsonSchema;

use super::SignApi;
use super::mint::{Mint, Minted, Refusal};
use crate::api::answer::{self, Answer, ProblemJson};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;

/// The answer, as it is described; it is written piece by piece.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "described only")]
pub(super) struct BatchAnswer<'a> {
    results: Vec<BatchResult<'a>>,
}

/// What became of one request.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "described only")]
enum BatchResult<'a> {
    Token(Minted<'a>),
    Problem(ProblemJson<'a>),
}

/// What one result takes, nearly always.
const USUAL_RESULT: usize = 512;

impl SignApi {
    pub(super) fn batch(&self, caller: &ResolvedCaller, record: &mut Record<'_>, body: &[u8]) -> Answer {
        let batch = BatchRequest::parse(body).map_err(Refusal::from);
        let opened = batch.and_then(|batch| Ok((batch, Mint::open(caller)?)));
        let (batch, mut mint) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                refusal.count(caller);
                refusal.record(record);
                return refusal.answer();
            }
        };
        let mut out = Vec::with_capacity(batch.len() * USUAL_RESULT);
        out.extend_from_slice(b"{\"results\":[");
        for (index, request) in batch.into_requests().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.one_of_many(caller, &mut mint, record, index, request, &mut out);
        }
        out.extend_from_slice(b"]}");
        answer::json(StatusCode::OK, out)
    }

    fn one_of_many(
        &self,
        caller: &ResolvedCaller,
        mint: &mut Mint<'_>,
        record: &mut Record<'_>,
        index: usize,
        request: Result<TokenRequest, Problem>,
        out: &mut Vec<u8>,
    ) {
        let minted = request.map_err(Refusal::from).and_then(|request| mint.token(request, record, out));
        if let Err(refusal) = minted {
            refusal.count(caller);
            refusal.record(record);
            let (status, kind, detail, pointer) = refusal.parts();
            let pointer = format!("/tokens/{index}{pointer}");
            out.extend_from_slice(&answer::problem_json(status, &kind, &detail, &pointer));
        }
    }
}
