//! Bodies that strangers send: each is read, or told what is wrong and where; and policy gives no more than a profile.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use livekit_keyd_core::issuer::{Asked, Exchange};
use livekit_keyd_core::policy::{Caller, Glob, Policy, Profile};
use livekit_keyd_core::problem::Problem;
use livekit_keyd_core::request::{BatchRequest, RefreshRequest, TokenRequest, VerifyRequest};
use serde_json::json;

const GRANTED: [&str; 2] = ["video.roomJoin", "video.roomAdmin"];

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let any = || vec![Glob::parse("*").expect("a pattern")];
    let caller = Caller {
        name: "app".to_owned(),
        allowed_rooms: any(),
        allowed_identities: any(),
        ..Caller::default()
    };
    let grants = json!({"video": {"roomJoin": true, "roomAdmin": true, "canPublish": false}});
    let profile = Profile {
        name: "host".to_owned(),
        grants: serde_json::from_value(grants).expect("grants"),
        ..Profile::default()
    };
    Policy::new(caller, vec![profile], None)
});

fn check(problem: &Problem) {
    assert!(!problem.detail.is_empty());
    assert!(problem.pointer.is_empty() || problem.pointer.starts_with('/'), "{}", problem.pointer);
}

fn decide(request: TokenRequest) {
    match POLICY.decide(request) {
        Ok(approved) => {
            assert!(approved.grants.granted().iter().all(|name| GRANTED.contains(&name.as_str())));
            assert_eq!(approved.grants.video.can_publish, Some(false));
        }
        Err(problem) => check(&problem),
    }
}

fuzz_target!(|body: &[u8]| {
    match TokenRequest::parse(body) {
        Ok(request) => decide(request),
        Err(problem) => check(&problem),
    }
    match BatchRequest::parse(body) {
        Ok(batch) => {
            for request in batch.into_requests() {
                request.map_or_else(|problem| check(&problem), decide);
            }
        }
        Err(problem) => check(&problem),
    }
    let _ = RefreshRequest::parse(body).map_err(|problem| check(&problem));
    let _ = VerifyRequest::parse(body).map_err(|problem| check(&problem));
    let _ = Asked::from_endpoint(body).map_err(|problem| check(&problem));
    let _ = Exchange::parse(body);
});
