//! `GET /v1/keys`: the caller's keyset, without any secret.

use hyper::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use livekit_keyd_core::key::Key;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::time::Time;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::clock;

#[derive(Serialize, JsonSchema)]
pub(super) struct KeysAnswer<'a> {
    keysets: [KeysetAnswer<'a>; 1],
}

#[derive(Serialize, JsonSchema)]
struct KeysetAnswer<'a> {
    name: &'a str,
    keys: Vec<KeyAnswer<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct KeyAnswer<'a> {
    id: &'a str,
    phase: &'static str,
    created_at: Time,
    not_before: Option<Time>,
    not_after: Option<Time>,
}

pub(super) fn list(caller: &ResolvedCaller, head: &Parts) -> Answer {
    let keyring = caller.signer.keyring();
    let Some(keyring) = keyring.as_ref() else {
        let why = crate::signer::NoKey::NeverRead.to_string();
        return answer::problem(StatusCode::SERVICE_UNAVAILABLE, "no-usable-key", &why, "");
    };
    let (document, now) = (&keyring.document, clock::now());
    let key = |key: &'_ Key| Phase::of(document, key, now);
    let keys: Vec<_> = document
        .keys
        .iter()
        .map(|each| KeyAnswer {
            id: each.id.as_str(),
            phase: key(each).as_str(),
            created_at: each.created_at,
            not_before: each.commitment().map(|commitment| commitment.not_before),
            not_after: each.not_after,
        })
        .collect();
    // Phases change without the document, so they belong to the tag.
    let phases: String = keys.iter().filter_map(|key| key.phase.get(..3)).collect();
    let tag = format!("\"{}-{}-{phases}\"", document.lineage.0, document.seq);
    if head.headers.get_all(IF_NONE_MATCH).iter().any(|known| names(known, &tag)) {
        let mut unchanged = Response::default();
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        return tagged(unchanged, &tag);
    }
    let keysets = [KeysetAnswer { name: &document.keyset, keys }];
    tagged(answer::value(StatusCode::OK, &KeysAnswer { keysets }), &tag)
}

/// Whether a list of tags has this one, strong or weak, or stands for all (RFC 9110, section 13.1.2).
fn names(known: &HeaderValue, tag: &str) -> bool {
    let listed = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    known.to_str().is_ok_and(|list| list.split(',').any(|one| listed(one.trim())))
}

fn tagged(mut answer: Answer, tag: &str) -> Answer {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}
