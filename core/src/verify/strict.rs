//! JSON that remembers which name an object has twice: readers differ in which one they believe.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value, and the first name in it that an object has twice.
pub(crate) struct Strict {
    pub(crate) value: Value,
    pub(crate) repeated: Option<String>,
}

impl From<Value> for Strict {
    fn from(value: Value) -> Strict {
        Strict { value, repeated: None }
    }
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Strict, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Strict, E> {
        Ok(Value::from(value).into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Strict, E> {
        Ok(Value::from(value).into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number).into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Strict, E> {
        Ok(Value::from(value).into())
    }

    fn visit_unit<E: Error>(self) -> Result<Strict, E> {
        Ok(Value::Null.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let (mut list, mut repeated) = (Vec::new(), None);
        while let Some(item) = items.next_element::<Strict>()? {
            list.push(item.value);
            repeated = repeated.or(item.repeated);
        }
        Ok(Strict { value: Value::Array(list), repeated })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let (mut map, mut repeated) = (Map::new(), None);
        while let Some((name, member)) = members.next_entry::<String, Strict>()? {
            let within = member.repeated.map(|inner| format!("{name}.{inner}"));
            if map.contains_key(&name) {
                repeated = repeated.or_else(|| Some(name.clone()));
            }
            repeated = repeated.or(within);
            map.insert(name, member.value);
        }
        Ok(Strict { value: Value::Object(map), repeated })
    }
}
