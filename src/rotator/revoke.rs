//! A compromise: one command takes a key out of use, and says what is left to be done by others.

use std::sync::Arc;

use livekit_keyd_core::change::{Change, Illegal};
use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;

use super::{Refusal, Rotator};
use crate::clock;

/// What is to be revoked.
#[derive(Clone, Debug)]
pub enum Target {
    /// One key. `now` accepts that nothing may be able to sign afterwards.
    Key {
        /// Which.
        key: KeyId,
        /// At once, whatever breaks.
        now: bool,
    },
    /// Every key, as when what LiveKit's nodes read has leaked: nothing signs until a new key is proven.
    All,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The document after it, and after what followed from it at once.
    pub document: Arc<Document>,
    /// Why the key still signs: nothing can in its place yet.
    pub waiting: Option<String>,
}

impl Rotator {
    /// Takes a compromised key, or all of them, out of use.
    ///
    /// # Errors
    /// Why the document's state forbids it.
    pub async fn revoke(
        self: &Arc<Self>,
        name: &str,
        target: &Target,
        reason: String,
    ) -> Result<Revoked, Refusal> {
        let _turn = self.turn().await;
        let (change, fallback) = match target {
            Target::All => (Change::RevokeAll { reason }, None),
            Target::Key { key, now } => (
                Change::Revoke { key: key.clone(), reason: reason.clone(), accept_outage: *now },
                Some(Change::Replace { key: key.clone(), reason }),
            ),
        };
        let (document, waiting) = match (self.change_in_turn(name, &change).await, fallback) {
            (Err(Refusal::Illegal(Illegal::NoSuccessor(key))), Some(replace)) => {
                let document = self.change_in_turn(name, &replace).await?;
                let why = format!(
                    "nothing can sign in place of {key} yet: a standby is made, published and proven first, and then {key} goes; that restarts each node twice. `--now` does not wait, and leaves callers without tokens until then"
                );
                (document, Some(why))
            }
            (changed, _) => (changed?, None),
        };
        self.settle().await;
        self.poke();
        let outlook = self.outlook();
        let seen = outlook.as_ref().and_then(|outlook| outlook.world.keysets.get(name));
        let document = seen.and_then(|seen| seen.document.last()).cloned().unwrap_or(document);
        let still_signs = match target {
            Target::Key { key, .. } => document.active(clock::now()).is_some_and(|active| active.id == *key),
            Target::All => false,
        };
        Ok(Revoked { document, waiting: waiting.filter(|_| still_signs) })
    }
}
