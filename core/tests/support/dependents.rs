//! Dependents that read one key: egress, ingress, SIP, agents. They read when they like, and once they were told they
//! have; their tokens live as long as the overlap.

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::ClientKey;
use livekit_keyd_core::time::Time;

use super::state::State;

/// Somebody who signs with the key that lies where they read.
#[derive(Clone)]
pub(crate) struct Dependent {
    pub(crate) keyset: String,
    pub(crate) offset: i64,
    pub(crate) key: Option<KeyId>,
}

impl State {
    pub(crate) fn dependent_reads(&mut self, index: usize) {
        let dependent = &mut self.dependents[index];
        let there = self.clients.get(&dependent.keyset).and_then(|client| client.key.as_ref());
        dependent.key = there.map(|(id, _)| id.clone()).or(dependent.key.take());
    }

    /// `on_change` was run: every dependent has what lies there now.
    pub(crate) fn tell_dependents(&mut self, keyset: &str) {
        for index in 0..self.dependents.len() {
            if self.dependents[index].keyset == keyset {
                self.dependent_reads(index);
            }
        }
        self.note(format!("the dependents of {keyset} are told"));
    }

    /// The longest tokens that their operators may let them make.
    pub(crate) fn dependents_sign(&mut self) {
        for dependent in &self.dependents {
            let Some(key) = &dependent.key else { continue };
            let expiry = (self.clock(dependent.offset) + self.setup.rules.overlap).as_secs();
            let longest = self.given.entry((dependent.keyset.clone(), key.clone())).or_default();
            *longest = (*longest).max(expiry);
        }
    }

    /// 3, as a key is taken out: no token of theirs is left, by the slowest clock.
    pub(crate) fn check_dependents_left(&mut self, keyset: &str, id: &KeyId) {
        let Some(expiry) = self.given.get(&(keyset.to_owned(), id.clone())).copied() else { return };
        let slowest = self.nodes.iter().map(|node| node.offset).min().unwrap_or_default();
        if expiry > self.clock(slowest).as_secs() {
            self.violate(3, format!("{id} leaves while a dependent's token of it lives"));
        }
    }

    /// 2, 3 and 4, as what they are given is replaced.
    pub(crate) fn check_client_change(&mut self, keyset: &str, there: &ClientKey, wanted: &ClientKey) {
        if let (Some((lineage, seq)), Some((new, newer))) = (&there.document, &wanted.document)
            && (lineage != new || newer < seq)
        {
            self.violate(4, format!("the client credentials of {keyset} go back behind seq {seq}"));
        }
        let Some((id, _)) = &wanted.key else { return };
        let key = self.document(keyset).and_then(|document| document.key(id));
        // Nothing waits for them with a key that is not committed: it may be given up, or never be proven.
        if key.is_none_or(|key| key.commitment().is_none()) {
            self.violate(2, format!("dependents are given {id}, which is not committed"));
        }
        self.check_date(keyset, id, wanted.changed_at);
    }

    /// 3: what dependents made with other keys has expired by the end that follows from the date.
    fn check_date(&mut self, keyset: &str, newest: &KeyId, changed_at: Option<Time>) {
        let Some(changed_at) = changed_at else { return };
        let last = (changed_at + self.setup.rules.overlap + self.setup.rules.clock_skew).as_secs();
        let outlives =
            |((of, id), expiry): &(&(String, KeyId), &i64)| of == keyset && id != newest && **expiry > last;
        if let Some(((_, id), expiry)) = self.given.iter().find(outlives) {
            let expiry = Time::from_millis(expiry * 1000);
            self.violate(
                3,
                format!("dependents are dated {changed_at}, and a token of {id} lives until {expiry}"),
            );
        }
    }
}
