//! What a token's text and the clock alone tell: LiveKit judges these before any key.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_keyd_core::time::Time;
use serde_json::Value;

use crate::cli::moment::both;

/// How far LiveKit lets clocks differ on `nbf` and `exp`.
const LEEWAY: Duration = Duration::from_secs(60);

/// The payload, if there is one, and why LiveKit would refuse the token.
pub(super) fn judge(token: &str, now: Time) -> (Option<Value>, Vec<String>) {
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, payload, _] = parts.as_slice() else {
        let refusal = format!("it is no JWT: it has {} parts and not three", parts.len());
        return (None, vec![refusal]);
    };
    let mut refusals = Vec::new();
    match object(header).map(|header| header.get("alg").and_then(Value::as_str).map(str::to_owned)) {
        Some(Some(algorithm)) if algorithm == "HS256" => {}
        Some(algorithm) => refusals.push(format!(
            "its algorithm is {}, and LiveKit takes HS256 alone",
            algorithm.map_or_else(|| "not named".to_owned(), |name| format!("`{name}`"))
        )),
        None => refusals.push("its first part is no JSON object in base64url".to_owned()),
    }
    let Some(claims) = object(payload) else {
        refusals.push("its second part is no JSON object in base64url".to_owned());
        return (None, refusals);
    };
    if claims.get("iss").and_then(Value::as_str).is_none_or(str::is_empty) {
        refusals.push("it names no key: `iss` is missing".to_owned());
    }
    if let Some(at) = moment(&claims, "nbf").filter(|at| *at > now + LEEWAY) {
        refusals.push(format!("it is not valid yet: `nbf` is {}", both(at, now)));
    }
    if let Some(at) = moment(&claims, "exp").filter(|at| *at + LEEWAY <= now) {
        refusals.push(format!("it has expired: `exp` was {}", both(at, now)));
    }
    (Some(claims), refusals)
}

/// A claim that is a NumericDate.
pub(super) fn moment(claims: &Value, name: &str) -> Option<Time> {
    let seconds = claims.get(name)?.as_f64()?;
    Some(Time::from_millis((seconds * 1000.0) as i64))
}

fn object(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Time {
        Time::from_millis(1_795_521_600_000)
    }

    fn refusals(header: &Value, claims: &Value) -> Vec<String> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        judge(&format!("{}.{}.c2ln", part(header), part(claims)), now()).1
    }

    #[test]
    fn what_is_in_order_has_no_reason() {
        let seconds = now().as_secs();
        let claims = json!({"iss": "APIx", "nbf": seconds + 59, "exp": seconds - 59});
        assert_eq!(refusals(&json!({"alg": "HS256"}), &claims), Vec::<String>::new(), "within the leeway");
    }

    #[test]
    fn every_reason_at_once() {
        let seconds = now().as_secs();
        let claims = json!({"nbf": seconds + 61, "exp": seconds - 60});
        let told = refusals(&json!({"alg": "none"}), &claims);
        for (reason, part) in told.iter().zip(["`none`", "`iss`", "not valid yet", "has expired"]) {
            assert!(reason.contains(part), "{told:?}");
        }
        assert_eq!(told.len(), 4);
    }

    #[test]
    fn what_is_no_token_is_called_so_and_never_repeated() {
        for text in ["hunter2", "a.b", "a.b.c.d", "!!.!!.!!", "e30.W10.x"] {
            let (claims, refusals) = judge(text, now());
            assert_eq!(claims, None, "{text}");
            assert!(
                !refusals.is_empty() && !refusals.iter().any(|reason| reason.contains(text)),
                "{refusals:?}"
            );
        }
    }
}
