//! `POST /v1/tokens`: one token.

use std::time::Instant;

use hyper::StatusCode;
use livekit_keyd_core::request::TokenRequest;

use super::SignApi;
use super::mint::{Mint, Refusal};
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;

/// What an answer takes, nearly always.
const USUAL_ANSWER: usize = 1024;

impl SignApi {
    pub(super) fn tokens(&self, caller: &ResolvedCaller, record: &mut Record<'_>, body: &[u8]) -> Answer {
        let began = Instant::now();
        let mut out = Vec::with_capacity(USUAL_ANSWER);
        let request = TokenRequest::parse(body);
        let minted = request
            .map_err(Refusal::from)
            .and_then(|request| Mint::open(caller)?.token(request, record, &mut out));
        let answer = match minted {
            Ok(()) => answer::json(StatusCode::CREATED, out),
            Err(refusal) => {
                refusal.count(caller);
                refusal.record(record);
                refusal.answer()
            }
        };
        self.metrics.duration.observe(began.elapsed().as_secs_f64());
        answer
    }
}
