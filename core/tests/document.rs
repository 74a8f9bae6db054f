//! What a document keeps of what it does not know: an older reader must not spoil what a newer one wrote.

use livekit_keyd_core::document::Document;
use serde_json::{Value, json};

/// With a number in each place where a newer version may have put one.
fn with(number: &str) -> String {
    let document = json!({
        "format": 1, "min_reader": 1, "lineage": "l", "seq": 7, "writes": [{"seq": 7, "id": "w7"}],
        "keyset": "apps", "newer": "NUMBER", "rotation_since": "2026-01-01T00:00:00Z",
        "rules": {
            "max_token_ttl": "1h", "clock_skew": "60s", "refresh_interval": "60s", "rotation": "manual",
            "rotation_window": "24h", "overlap": "24h", "activation_lead": "5m", "publish_delay": "10m",
            "newer": {"deep": ["NUMBER"]},
        },
        "keys": [{"id": "APIstandby2345", "created_at": "2026-01-01T00:00:00Z", "newer": "NUMBER"}],
    });
    document.to_string().replace("\"NUMBER\"", number)
}

#[test]
fn numbers_of_a_newer_version_are_kept_to_the_last_digit() {
    // Halfway between two of those that 64 bits can hold, near the smallest and the largest, and longer than any.
    for number in [
        "0.1",
        "1e23",
        "9007199254740993.0",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        &"1".repeat(84),
    ] {
        let read: Document = serde_json::from_str(&with(number)).expect("a document");
        let written = serde_json::to_string(&read).expect("it is written");
        assert_eq!(serde_json::from_str::<Document>(&written).expect("it is read back"), read, "{number}");
        let value: Value = serde_json::from_str(&written).expect("JSON");
        let exact: f64 = number.parse().expect("a number");
        for place in ["/newer", "/rules/newer/deep/0", "/keys/0/newer"] {
            assert_eq!(value.pointer(place).and_then(Value::as_f64), Some(exact), "{number} at {place}");
        }
    }
}
