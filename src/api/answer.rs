//! Answers: JSON, or a problem as RFC 9457 has it.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use livekit_keyd_core::problem::{Problem, ProblemKind};
use schemars::JsonSchema;
use serde::Serialize;

use super::problem_type;

/// What the server sends.
pub type Answer = Response<Full<Bytes>>;

/// JSON bytes with a status.
pub fn json(status: StatusCode, bytes: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A value as JSON.
pub fn value<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => json(status, bytes),
        Err(error) => {
            tracing::error!("an answer could not be written: {error}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be written", "")
        }
    }
}

/// A problem's members (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(in crate::api) struct ProblemJson<'a> {
    /// A stable name, which has a section in docs/problems.md.
    r#type: String,
    /// The status in words.
    title: &'a str,
    /// The status.
    status: u16,
    /// What to change: a sentence.
    detail: &'a str,
    /// The field, as a JSON pointer (RFC 6901); left out for the whole request.
    #[serde(skip_serializing_if = "str::is_empty")]
    pointer: &'a str,
}

/// A problem: `kind` is the stable part of its type.
pub fn problem(status: StatusCode, kind: &str, detail: &str, pointer: &str) -> Answer {
    let bytes = problem_json(status, kind, detail, pointer);
    let mut answer = json(status, bytes);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}

/// The same as JSON alone: for one of many results.
pub fn problem_json(status: StatusCode, kind: &str, detail: &str, pointer: &str) -> Vec<u8> {
    debug_assert!(problem_type::is_known(status, kind), "list `{kind}` with {status} in problem_type.rs");
    let title = status.canonical_reason().unwrap_or("Problem");
    let problem = ProblemJson {
        r#type: format!("{}{kind}", problem_type::PREFIX),
        title,
        status: status.as_u16(),
        detail,
        pointer,
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}

/// The status and type of a problem with a request.
pub fn parts(problem: &Problem) -> (StatusCode, String) {
    match problem.kind {
        ProblemKind::Malformed => (StatusCode::BAD_REQUEST, problem.rule.to_owned()),
        ProblemKind::Denied => (StatusCode::FORBIDDEN, format!("denied:{}", problem.rule)),
        ProblemKind::NotAToken => (StatusCode::UNPROCESSABLE_ENTITY, problem.rule.to_owned()),
    }
}

/// Another method was meant.
pub fn wrong_method(allow: &'static str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "method", &format!("use {allow}"), "");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// There is no such path.
pub fn no_such_path(path: &str, known: &str) -> Answer {
    problem(StatusCode::NOT_FOUND, "not-found", &format!("there is no {path} here; there is {known}"), "")
}
