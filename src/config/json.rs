//! TOML as the JSON that it stands for: grants and room configurations are LiveKit's, in LiveKit's own form.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

/// The same value in JSON.
///
/// # Errors
/// What JSON has no form for: a sentence.
pub(super) fn of(value: &DeValue<'_>) -> Result<Value, String> {
    let no_number = |text: &str| format!("`{text}` is no number that JSON can hold");
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            Value::Number(number.map_err(|_| no_number(integer.as_str()))?.into())
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or_else(|| no_number(float.as_str()))?)
        }
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| of(item.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let member = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                of(value.get_ref()).map(|value| (key.to_string(), value))
            };
            Value::Object(table.iter().map(member).collect::<Result<Map<_, _>, _>>()?)
        }
        DeValue::Datetime(time) => return Err(format!("`{time}` is a time: put it in quotes")),
    })
}
