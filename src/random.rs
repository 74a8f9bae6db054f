//! Randomness from the operating system.

use std::time::Duration;

use livekit_keyd_core::document::{Lineage, WriteId};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::pause;
use livekit_keyd_core::secret::Secret;
use zeroize::Zeroizing;

/// Random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing that this
/// program does could be trusted then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no secret may be made and no token signed")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new key in LiveKit's form.
pub fn key() -> (KeyId, Secret) {
    let id = loop {
        if let Some(id) = KeyId::generate(&bytes()) {
            break id;
        }
    };
    let secret = loop {
        if let Some(secret) = Secret::generate(&Zeroizing::new(bytes())) {
            break secret;
        }
    };
    (id, secret)
}

/// The name of a new document.
pub fn lineage() -> Lineage {
    Lineage(hex(&bytes::<16>()))
}

/// The name of one write.
pub fn write_id() -> WriteId {
    WriteId(hex(&bytes::<8>()))
}

/// A name that nobody else gives to anything.
pub fn nonce() -> String {
    hex(&bytes::<16>())
}

/// A duration within a fifth of this one, so that many processes do not act at once.
pub fn jitter(duration: Duration) -> Duration {
    pause::jitter(duration, fraction())
}

/// A number of at least 0 and less than 1.
pub fn fraction() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
