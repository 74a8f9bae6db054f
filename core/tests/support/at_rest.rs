//! What is true of a world in which nothing is left to be done.

use livekit_keyd_core::document::STANDBYS;
use livekit_keyd_core::key::Key;
use livekit_keyd_core::phase::Phase;

use super::fleet::{Life, Node};
use super::state::State;

impl State {
    /// Why a keyset is not at rest, if it is not.
    pub(crate) fn unrest(&self, keyset: &str) -> Option<String> {
        let Some(document) = self.document(keyset) else { return Some("there is no document".into()) };
        if document.rules != self.rules {
            return Some(format!("the document has the rules of {:?}", document.config_revision));
        }
        let now = self.clock(0);
        let count =
            |phase: Phase| document.keys.iter().filter(|key| Phase::of(document, key, now) == phase).count();
        let busy = [Phase::Scheduled, Phase::Retiring, Phase::Retired].map(count);
        let proven = document.keys.iter().filter(|key| key.is_proven_standby()).count();
        if count(Phase::Active) != 1 || proven != STANDBYS || busy != [0; 3] || document.requested.is_some() {
            return Some(format!(
                "{} active, {proven} proven standbys, {busy:?} scheduled, retiring and retired, requested {:?}",
                count(Phase::Active),
                document.requested
            ));
        }
        let bad = document.keys.iter().find(|key| key.replace_requested_at.is_some() && key.is_usable());
        if let Some(key) = bad {
            return Some(format!("{} is compromised and in use", key.id));
        }
        let lost = document.standbys().find(|key| !self.shelves[keyset].standby.contains_key(&key.id));
        if let Some(key) = lost {
            return Some(format!("the secret of standby {} is lost", key.id));
        }
        let live: Vec<_> = document.keys.iter().filter(|key| key.unpublished_at.is_none()).collect();
        for (name, publisher) in &self.publishers {
            let missing = live.iter().find(|key| publisher.holds.secret(&key.id).is_none());
            if let Some(key) = missing {
                return Some(format!("{name} lacks {}", key.id));
            }
        }
        let mut nodes = self.nodes.iter();
        if nodes.any(|node| node.deadline.is_some()) {
            return Some("a node has not read its publication".into());
        }
        let client = self.clients.get(keyset);
        let newest = document.newest().map(|key| &key.id);
        if client.is_some_and(|client| {
            client.key.as_ref().map(|(id, _)| id) != newest || client.changed_at.is_none()
        }) {
            return Some("dependents are not given the newest key, or were not told".into());
        }
        let proven = self.setup.proven;
        let off = |node: &&Node| {
            let holds = &self.publishers[&node.publisher].holds;
            node.life != Life::Serving
                || node.keys.len() != holds.keys.len()
                || holds.keys.iter().any(|(id, _)| !node.keys.contains_key(id))
        };
        let off = self.nodes.iter().find(off).filter(|_| proven);
        off.map(|node| format!("{} is {:?} with {:?}", node.name, node.life, node.keys.keys()))
            .or_else(|| self.rollout.rollout.restarting.is_some().then(|| "a rollout is under way".into()))
    }

    /// 6 and 7 where nothing is left to be done: dead secrets are nowhere, and nothing else lies about.
    pub(crate) fn check_rest(&mut self) {
        for (keyset, shelf) in self.shelves.clone() {
            let Some(document) = shelf.document() else { continue };
            for key in document.keys.iter().filter(|key| key.erased_at.is_some()) {
                let mut versions = shelf.versions.iter().flatten();
                let kept =
                    versions.any(|version| version.key(&key.id).is_some_and(|key| key.secret.is_some()));
                if kept || shelf.standby.contains_key(&key.id) {
                    self.violate(6, format!("the store still has the secret of {}", key.id));
                }
            }
            let orphan = shelf.standby.keys().find(|id| !document.key(id).is_some_and(Key::is_standby));
            if let Some(id) = orphan {
                self.violate(6, format!("{keyset}/standby/{id} is of no use to anybody"));
            }
        }
    }
}
