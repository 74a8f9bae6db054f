//! A question about a token: the body of `POST /v1/tokens/verify`, read as strictly as a request for one.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mistake;
use crate::object::Object;
use crate::problem::Problem;

/// Whether LiveKit would accept a token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The token.
    pub token: String,
}

impl VerifyRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(body: &[u8]) -> Result<VerifyRequest, Problem> {
        let read = serde_json::from_slice::<Object<VerifyRequest>>(body);
        read.map(|Object(question)| question).map_err(|_| mistake::find::<VerifyRequest>(body))
    }
}
