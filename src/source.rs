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

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use serde_json::json;

    use super::*;
    use crate::store::{Backend, Expected, FileStore, Health};

    async fn told(value: Option<Value>) -> Result<SourceKey, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let files = FileStore::open(&folder.path().join("store")).expect("a store");
        let health = Health::register(&Registry::new()).expect("metrics");
        let store = Store::new(Backend::File(files), health);
        if let Some(value) = value {
            store.write("cloud/livekit", &value, Expected::Absent).await.expect("a write");
        }
        let (key_field, secret_field) = ("LIVEKIT_API_KEY".into(), "LIVEKIT_API_SECRET".into());
        read(&store, &Source { path: "cloud/livekit".into(), key_field, secret_field }).await
    }

    #[tokio::test]
    async fn two_fields_of_any_others_are_a_key() {
        let value =
            json!({"LIVEKIT_API_KEY": "APIone", "LIVEKIT_API_SECRET": "s e c r e t", "team": ["media"]});
        let key = SourceKey { id: "APIone".into(), secret: Secret::new("s e c r e t".into()) };
        assert_eq!(told(Some(value)).await, Ok(key));
    }

    #[tokio::test]
    async fn what_is_no_key_is_said_without_its_content() {
        let with =
            |id: Value, secret: Value| Some(json!({"LIVEKIT_API_KEY": id, "LIVEKIT_API_SECRET": secret}));
        let good = || json!("hunter2hunter2hunter2");
        for (value, part) in [
            (None, "nothing lies at the source cloud/livekit"),
            (Some(json!({"LIVEKIT_API_SECRET": good()})), "has no field `LIVEKIT_API_KEY`"),
            (Some(json!({"LIVEKIT_API_KEY": "APIone"})), "has no field `LIVEKIT_API_SECRET`"),
            (with(json!(7), good()), "`LIVEKIT_API_KEY` of the source cloud/livekit is no text"),
            (
                with(json!("APIone"), json!(["hunter2"])),
                "`LIVEKIT_API_SECRET` of the source cloud/livekit is no text",
            ),
            (with(json!("APIone"), json!("")), "is empty"),
            (with(json!("APIone"), json!("hunter2\n")), "ends with a space"),
            (with(json!("API one"), good()), "is no id of a key"),
            (with(json!("a".repeat(129)), good()), "is no id of a key"),
        ] {
            let why = told(value).await.expect_err(part);
            assert!(why.contains(part) && !why.contains("hunter2"), "{part}: {why}");
        }
    }
}
