//! A key's secret, which shows itself to nobody by accident.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The text that LiveKit and its SDKs use, byte for byte, as an HMAC key.
///
/// It has no `Display`, a `Debug` that says nothing, and no `Serialize`: who
/// must write it down says so with `#[serde(with = "secret::exposed")]` or
/// [`Secret::expose`]. Its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// The fewest bytes that LiveKit accepts without a warning.
    pub const MIN_BYTES: usize = 32;

    /// Takes the text as it is.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// A new secret in LiveKit's own form: 43 base62 characters, here out of 32 random bytes and some more.
    ///
    /// Bytes of 248 and above are passed over so that each character is equally
    /// likely; `None` when `random` runs out before the secret is whole, which 64
    /// bytes do less than once in 2^50.
    pub fn generate(random: &[u8; 64]) -> Option<Secret> {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let text: String = random
            .iter()
            .filter(|byte| **byte < 248)
            .take(43)
            .map(|byte| char::from(ALPHABET[usize::from(*byte % 62)]))
            .collect();
        (text.len() == 43).then_some(Secret(text))
    }

    /// The text itself, for signing and for the places where LiveKit reads it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Writes an optional secret in the clear: for documents on their way to the store.
pub mod exposed {
    use super::{Secret, Zeroizing};
    use serde::{Deserialize, Deserializer, Serializer};

    /// For serde.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_str(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    /// For serde.
    ///
    /// # Errors
    /// What is not a string, without its content.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        let text = Option::<Zeroizing<String>>::deserialize(deserializer)
            .map_err(|_| serde::de::Error::custom("a secret must be a string"))?;
        Ok(text.map(|mut text| Secret::new(std::mem::take(&mut *text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        let secret = Secret::new("hunter2hunter2hunter2hunter2hunter2".into());
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    }

    #[test]
    fn generated_in_livekits_form_without_bias() {
        let random: [u8; 64] = std::array::from_fn(|i| (i * 4) as u8);
        let secret = Secret::generate(&random).expect("enough bytes");
        assert_eq!(secret.expose().len(), 43);
        assert!(secret.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(Secret::generate(&[255; 64]), None, "biased bytes are passed over");
    }
}
