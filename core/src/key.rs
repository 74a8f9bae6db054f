//! One API key of a keyset, as the document keeps it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::duration;
use crate::secret::{self, Secret};
use crate::time::Time;

/// The `iss` of the tokens that a key signs, and its name in LiveKit's key file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// Takes an id as it was written, by us or by others.
    pub fn new(text: impl Into<String>) -> KeyId {
        KeyId(text.into())
    }

    /// A new id in LiveKit's form, `API` and twelve base57 characters; `None` when `random` runs out of unbiased bytes.
    pub fn generate(random: &[u8; 32]) -> Option<KeyId> {
        const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut text = String::from("API");
        text.extend(
            random
                .iter()
                .filter(|byte| **byte < 228)
                .take(12)
                .map(|byte| char::from(ALPHABET[usize::from(*byte % 57)])),
        );
        (text.len() == 15).then_some(KeyId(text))
    }

    /// As written in tokens and key files.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for KeyId {
    fn from(text: &str) -> KeyId {
        KeyId(text.to_owned())
    }
}

/// The promise that a key will sign from a moment on; written whole, and taken back by a compromise only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commitment {
    /// Keys take over in the order of their ordinals, whatever their times.
    pub ordinal: u64,
    /// The first moment at which a signer uses the key, by the signer's own clock.
    pub not_before: Time,
    /// How long tokens of this key may outlive the moment at which its signer last read the document.
    pub overlap: Duration,
}

/// A key's whole life. Its phase is not here: it follows from the document and the clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Never used again for another secret.
    pub id: KeyId,
    /// When its id and secret were made.
    pub created_at: Time,
    /// When every node was first seen to accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ordinal: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Time>,
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    overlap: Option<Duration>,
    /// No token of this key lives longer than this; known once a successor is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    /// When it was taken out of what is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpublished_at: Option<Time>,
    /// When its secret was erased; the id stays, so that an old publication is known for what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Time>,
    /// Set when it must be replaced but no proven key could take over yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace_requested_at: Option<Time>,
    /// Since when nobody may sign with it and its tokens are not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised_at: Option<Time>,
    /// Not rotated away until an operator resumes: an adopted key that others still sign with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// Why it was compromised or abandoned, in an operator's or a rule's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// There from the commitment to the erasure only; before, it lies apart, out of the signers' reach.
    #[serde(default, with = "secret::exposed", skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Key {
    /// A standby that nobody has proven.
    pub fn new(id: KeyId, created_at: Time) -> Key {
        Key {
            id,
            created_at,
            proven_at: None,
            ordinal: None,
            not_before: None,
            overlap: None,
            not_after: None,
            unpublished_at: None,
            erased_at: None,
            replace_requested_at: None,
            compromised_at: None,
            hold: false,
            reason: None,
            secret: None,
            other: Map::new(),
        }
    }

    /// When it takes over, if that is decided.
    pub fn commitment(&self) -> Option<Commitment> {
        Some(Commitment { ordinal: self.ordinal?, not_before: self.not_before?, overlap: self.overlap? })
    }

    pub(crate) fn commit(&mut self, commitment: Commitment) {
        self.ordinal = Some(commitment.ordinal);
        self.not_before = Some(commitment.not_before);
        self.overlap = Some(commitment.overlap);
    }

    /// Whether only a part of a commitment is there, which no write of ours leaves.
    pub(crate) fn is_torn(&self) -> bool {
        let parts = [self.ordinal.is_some(), self.not_before.is_some(), self.overlap.is_some()];
        parts.contains(&true) && parts.contains(&false)
    }

    /// Not committed, not taken out: waiting to be proven or to be used.
    pub fn is_standby(&self) -> bool {
        self.ordinal.is_none() && self.unpublished_at.is_none() && self.compromised_at.is_none()
    }

    /// A standby that was given up: it never signed.
    pub fn was_abandoned(&self) -> bool {
        self.ordinal.is_none() && self.unpublished_at.is_some() && self.compromised_at.is_none()
    }

    /// A standby that can be committed.
    pub fn is_proven_standby(&self) -> bool {
        self.is_standby() && self.proven_at.is_some()
    }

    /// Whether publications are to hold it.
    pub fn is_published(&self) -> bool {
        self.unpublished_at.is_none()
    }

    /// Whether a signer may ever use it, as far as this document knows.
    pub fn is_usable(&self) -> bool {
        self.is_published() && self.compromised_at.is_none()
    }
}

mod optional_duration {
    use super::{Duration, duration};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => duration::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| duration::parse(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_livekits() {
        let id = KeyId::generate(&std::array::from_fn(|i| i as u8 * 7)).expect("enough bytes");
        assert!(id.as_str().starts_with("API") && id.as_str().len() == 15, "{id}");
        assert_eq!(KeyId::generate(&[255; 32]), None);
    }

    #[test]
    fn a_later_version_s_fields_survive() {
        let text = r#"{"id":"APIx","created_at":"2026-11-24T12:00:00Z","colour":"blue"}"#;
        let key: Key = serde_json::from_str(text).expect("a key");
        assert_eq!(serde_json::to_string(&key).expect("JSON"), text);
    }
}
