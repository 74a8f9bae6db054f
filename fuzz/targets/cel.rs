//! Rules: an expression, a line feed, and the claims that it looks at.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit_keyd::issuer::{Expression, Subject};
use serde_json::json;

fuzz_target!(|data: &str| {
    let (source, claims) = data.split_once('\n').unwrap_or((data, "{}"));
    let Ok(expression) = Expression::compile(source) else { return };
    let claims = serde_json::from_str(claims).unwrap_or_else(|_| json!({}));
    let request = json!({"room": "demo", "name": "Ann", "metadata": "", "attributes": {"seat": "a1"}});
    let subject = Subject::new(&claims, &request);
    let _ = (expression.truth(&subject), expression.text(&subject));
});
