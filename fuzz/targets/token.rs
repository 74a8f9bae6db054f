//! Tokens: as text, and as claims behind a good signature.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use livekit_keyd_core::issuer::{Algorithm, Expected, SubjectToken};
use livekit_keyd_core::request::Earlier;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::verify::{Signature, Unverified};

/// A moment between the times of the corpus.
const NOW: i64 = 1_800_000_000_000;

fn judge(token: &str) {
    let now = Time::from_millis(NOW);
    if let Ok(token) = Unverified::parse(token) {
        for signature in [Signature::Wrong, Signature::UnknownKey, Signature::Compromised] {
            assert!(!token.reasons(signature, now).is_empty(), "a bad signature is enough");
        }
        let _ = token.reasons(Signature::Good, now);
        if let Ok(earlier) = Earlier::of(&token.claims) {
            let _ = earlier.request(None);
        }
    }
    if let Ok(token) = SubjectToken::parse(token) {
        let _ =
            (token.issuer().is_ok(), token.kid().is_some(), token.algorithm(&[] as &[Algorithm]).is_err());
        let audience = ["us".to_owned()];
        if let Ok(claims) = token.claims(Expected { audience: &audience, clock_skew: 30 }, now) {
            assert!(claims.get("aud").is_some_and(|aud| aud.to_string().contains("us")));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        judge(text);
    }
    for header in [r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"RS256","kid":"a"}"#] {
        judge(&format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(data)));
    }
});
