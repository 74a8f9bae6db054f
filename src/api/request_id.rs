//! What a request is called in the audit trail and in its answer, so that each can be found by the other.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::answer::Answer;
use crate::random;

const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is repeated, in bytes.
const LONGEST: usize = 128;

/// The next new one, from a random beginning: ids need not be secret, and differ for all of a process's life.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(u64::from_ne_bytes(random::bytes())));
/// From one to the next, so that they do not look alike: odd, so that each number comes once.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The `X-Request-Id` of a request.
pub struct RequestId(HeaderValue);

impl RequestId {
    /// As the caller has it, or a new one.
    pub fn of(head: &Parts) -> RequestId {
        let is_plain = |id: &&HeaderValue| (1..=LONGEST).contains(&id.len()) && id.to_str().is_ok();
        match head.headers.get(NAME).filter(is_plain) {
            Some(given) => RequestId(given.clone()),
            None => RequestId(HeaderValue::from(NEXT.fetch_add(STEP, Ordering::Relaxed))),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Writes it into the answer.
    pub fn tell(self, answer: &mut Answer) {
        answer.headers_mut().insert(NAME, self.0);
    }
}
