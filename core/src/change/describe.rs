//! Changes in words and numbers, for logs and for whoever carries them out.

use super::Change;
use crate::document::STANDBYS;
use crate::key::KeyId;

impl Change {
    /// The key that it is about, if about one.
    pub fn key(&self) -> Option<&KeyId> {
        match self {
            Change::Prove { key }
            | Change::Commit { key, .. }
            | Change::Bound { key }
            | Change::Retire { key, .. }
            | Change::Adopt { key }
            | Change::Abandon { key }
            | Change::Erase { key }
            | Change::Revoke { key, .. }
            | Change::Replace { key, .. } => Some(key),
            Change::Request(request) => request.key.as_ref(),
            _ => None,
        }
    }

    /// How many new keys it needs.
    pub fn creates(&self) -> usize {
        match self {
            Change::Retire { create, .. } => *create,
            Change::Create { count } => *count,
            Change::RevokeAll { .. } => STANDBYS + 1,
            _ => 0,
        }
    }

    /// What becomes of the key or the keyset: a stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Change::SetRules { .. } => "rules",
            Change::Prove { .. } => "proven",
            Change::Commit { .. } => "committed",
            Change::Bound { .. } => "bounded",
            Change::Retire { .. } => "retired",
            Change::Create { .. } => "created",
            Change::Adopt { .. } => "adopted",
            Change::Abandon { .. } => "abandoned",
            Change::Erase { .. } => "erased",
            Change::Miss { .. } => "missed",
            Change::Request(_) => "requested",
            Change::Hold { .. } => "held",
            Change::Resume => "resumed",
            Change::Revoke { .. } => "compromised",
            Change::Replace { .. } => "replaced",
            Change::RevokeAll { .. } => "all-compromised",
            Change::Restore { .. } => "restored",
        }
    }

    /// What it does, in a few words.
    pub fn name(&self) -> &'static str {
        match self {
            Change::SetRules { .. } => "the configuration's rules",
            Change::Prove { .. } => "a standby is proven",
            Change::Commit { .. } => "the next key is committed",
            Change::Bound { .. } => "the key before gets its end",
            Change::Retire { .. } => "a key is retired",
            Change::Create { .. } => "new standbys",
            Change::Adopt { .. } => "a key of the source becomes a standby",
            Change::Abandon { .. } => "a standby is given up",
            Change::Erase { .. } => "a retired secret is erased",
            Change::Miss { .. } => "a missed firing is given up",
            Change::Request(_) => "an operator asks for a change of key",
            Change::Hold { .. } => "an operator puts the keyset on hold",
            Change::Resume => "an operator ends the hold",
            Change::Revoke { .. } => "a key is compromised",
            Change::Replace { .. } => "a compromised key is to be replaced",
            Change::RevokeAll { .. } => "every key is compromised",
            Change::Restore { .. } => "a restored store is accepted",
        }
    }
}
