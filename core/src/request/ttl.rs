//! A token's life as a request may write it: whole seconds, or text like `15m`.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::duration;

/// How long a token shall live; longer than anything allows is fine, as it will be shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedTtl(pub Duration);

const FORM: &str = "write whole seconds like 900, or text like \"15m\"";

impl<'de> Deserialize<'de> for RequestedTtl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RequestedTtl, D::Error> {
        deserializer.deserialize_any(TtlVisitor)
    }
}

impl JsonSchema for RequestedTtl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RequestedTtl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How long a token shall live: whole seconds, or text; what is more than allowed is shortened.",
            "anyOf": [
                {"type": "integer", "minimum": 1, "examples": [900]},
                {"type": "string", "pattern": duration::PATTERN, "examples": ["15m"]},
            ],
        })
    }
}

struct TtlVisitor;

fn lasting<E: de::Error>(duration: Duration) -> Result<RequestedTtl, E> {
    if duration < Duration::from_secs(1) {
        return Err(E::custom(format_args!("a ttl must be at least one second: {FORM}")));
    }
    if duration.subsec_nanos() != 0 {
        return Err(E::custom(format_args!("a ttl has no fraction of a second: {FORM}")));
    }
    Ok(RequestedTtl(duration))
}

impl Visitor<'_> for TtlVisitor {
    type Value = RequestedTtl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ttl: whole seconds like 900, or text like \"15m\"")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<RequestedTtl, E> {
        lasting(Duration::from_secs(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<RequestedTtl, E> {
        lasting(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<RequestedTtl, E> {
        if seconds >= 1.0 && seconds.fract() != 0.0 {
            return Err(E::custom(format_args!("a ttl has no fraction: {FORM}")));
        }
        // Whole numbers beyond 2^64 arrive here too, and become the longest life there is.
        lasting(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::from_secs(u64::MAX)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RequestedTtl, E> {
        match duration::parse(text) {
            Ok(duration) => lasting(duration),
            Err(_) if is_beyond_measure(text.trim()) => Ok(RequestedTtl(Duration::from_secs(u64::MAX))),
            Err(sentence) => Err(E::custom(sentence)),
        }
    }
}

/// A number with a unit that is no duration has more digits than a duration can hold.
fn is_beyond_measure(text: &str) -> bool {
    ["d", "h", "m", "s", "ms"]
        .iter()
        .filter_map(|unit| text.strip_suffix(unit))
        .any(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
