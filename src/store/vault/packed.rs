//! Values of many parts, as one text.
//!
//! OpenBao refuses a request with more than a thousand strings in its JSON, names
//! of fields among them. A keyset's document, which knows every key that ever was,
//! comes to that in a year of weekly changes of key.

use serde_json::{Map, Value};

/// The field whose text is the value. No value of ours has a field of this name.
const PACKED: &str = "packed";
/// What is sent as it is: well below any limit, and well above what a person wants to read.
const MOST_STRINGS: usize = 500;

/// The value as it is sent.
pub(super) fn pack(value: Value) -> Value {
    if strings(&value) <= MOST_STRINGS {
        return value;
    }
    Value::Object(Map::from_iter([(PACKED.to_owned(), Value::String(value.to_string()))]))
}

/// The value as it was given. What is no packed value is left as it is.
pub(super) fn unpack(value: Value) -> Value {
    let packed = value.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.get(PACKED));
    let inner = packed.and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    inner.unwrap_or(value)
}

fn strings(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(strings).sum(),
        Value::Object(fields) => fields.values().map(|field| 1 + strings(field)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_of_many_parts_is_one_text_and_comes_back_whole() {
        let small = json!({"a": ["b", 1, null], "packed": "no"});
        assert_eq!((strings(&small), pack(small.clone())), (4, small.clone()));
        assert_eq!(unpack(small.clone()), small);
        let large = json!({"keys": (0..400).map(|n| json!({"id": n.to_string()})).collect::<Vec<_>>()});
        let packed = pack(large.clone());
        assert_eq!(strings(&packed), 2);
        assert_eq!(unpack(packed), large);
        let strange = json!({"packed": "not JSON"});
        assert_eq!(unpack(strange.clone()), strange);
    }
}
