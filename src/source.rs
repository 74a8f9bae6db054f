//! Where others put the key that is to sign: read, and never written.

use std::collections::BTreeMap;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::SourceKey;
use livekit_keyd_core::secret::Secret;
use serde_json::Value;

use crate::keyset::Source;
use crate::store::{Found, Store};

/// LiveKit's own have 15 characters.
const LONGEST_ID: usize = 128;

/// What lies there.
///
/// # Errors
/// Why no key can be read from it: a sentence without any content.
pub async fn read(store: &Store, source: &Source) -> Result<SourceKey, String> {
    let Source { path, key_field, secret_field } = source;
    let mut fields = match store.read::<BTreeMap<String, Value>>(path).await {
        Ok(Found::Value { value, .. }) => value,
        Ok(Found::Absent) => {
            return Err(format!("nothing lies at the source {path}: its owner is to put a key there"));
        }
        Ok(Found::Deleted { .. }) => {
            return Err(format!("what lay at the source {path} was deleted: ask its owner"));
        }
        Err(error) => return Err(format!("the source cannot be read: {error}")),
    };
    let mut text = |field: &str| match fields.remove(field) {
        Some(Value::String(text)) if !text.is_empty() && text.trim() == text => Ok(text),
        Some(Value::String(_)) => {
            Err(format!("the field `{field}` of the source {path} is empty, or begins or ends with a space"))
        }
        Some(_) => Err(format!("the field `{field}` of the source {path} is no text")),
        None => Err(format!("the source {path} has no field `{field}`")),
    };
    let (id, secret) = (text(key_field)?, text(secret_field)?);
    // It becomes a label of metrics, a claim, and a part of sentences.
    if id.len() > LONGEST_ID || !id.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!(
            "the field `{key_field}` of the source {path} is no id of a key: up to {LONGEST_ID} characters of ASCII without a space"
        ));
    }
    Ok(SourceKey { id: KeyId::new(id), secret: Secret::new(secret) })
}
