//! `GET /v1/status`: what is.

use std::collections::BTreeMap;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::{Commitment, Key};
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::plan::{Observed, Publication};
use livekit_keyd_core::time::Time;

use super::Admin;
use crate::api::report::{KeyStatus, KeysetStatus, PublicationStatus, SourceStatus, Status};
use crate::clock;
use crate::signer::{Keyring, Signer};

impl Admin {
    pub(super) fn status(&self) -> Status {
        let now = clock::now();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: self.role.to_owned(),
            store: self.store.status(),
            keysets: self
                .signers
                .iter()
                .map(|(name, signer)| self.keyset_status(name, signer, now))
                .collect(),
            audit: self.trail.as_ref().map(|trail| trail.status()),
            publications: self.publications(),
            nodes: self.nodes(),
            restarting: self.restarting(),
            conditions: self.conditions.of(None),
        }
    }

    fn keyset_status(&self, name: &str, signer: &Signer, now: Time) -> KeysetStatus {
        let keyring = signer.keyring();
        let document = keyring.as_ref().map(|keyring| &keyring.document);
        let keys: Vec<_> = keyring.as_ref().map(|keyring| keys(keyring, now)).unwrap_or_default();
        let mut phases = BTreeMap::new();
        for key in &keys {
            *phases.entry(key.phase.clone()).or_insert(0) += 1;
        }
        KeysetStatus {
            name: name.to_owned(),
            seq: document.map(|document| document.seq),
            unusable: signer.usable(now).err().map(|why| why.to_string()),
            phases,
            keys,
            external: document.is_some_and(|document| document.external),
            source: self.source(name),
            next_firing: document.and_then(|document| document.next_firing()),
            hold_until: document.and_then(|document| document.hold_at(now)).map(|hold| hold.until),
            conditions: self.conditions.of(Some(name)),
        }
    }

    fn source(&self, keyset: &str) -> Option<SourceStatus> {
        let rotator = self.rotator.as_ref()?;
        let source = rotator.keyset_named(keyset).ok()?.source?;
        let outlook = rotator.outlook();
        let seen = outlook.as_ref().and_then(|outlook| outlook.world.keysets.get(keyset)?.source.as_ref());
        let message = match seen {
            Some(Observed::Stale { why, .. } | Observed::Unknown { why, .. }) => Some(why.clone()),
            Some(Observed::Fresh(_)) | None => None,
        };
        let key_id = seen.and_then(Observed::fresh).map(|there| there.id.to_string());
        Some(SourceStatus { path: source.path, key_id, message })
    }

    fn publications(&self) -> Vec<PublicationStatus> {
        let outlook = self.rotator.as_ref().and_then(|rotator| rotator.outlook());
        let seen = outlook.iter().flat_map(|outlook| &outlook.world.publications);
        seen.map(|(name, seen)| publication(name, seen)).collect()
    }
}

fn keys(keyring: &Keyring, now: Time) -> Vec<KeyStatus> {
    keyring.document.keys.iter().map(|key| key_status(keyring, &keyring.document, key, now)).collect()
}

fn key_status(keyring: &Keyring, document: &Document, key: &Key, now: Time) -> KeyStatus {
    let signing = keyring.signing.iter().find(|signing| signing.id == key.id);
    let last_used = signing.map_or(0, |signing| signing.usage.last_used.get());
    KeyStatus {
        id: key.id.to_string(),
        phase: Phase::of(document, key, now).to_string(),
        compromised: key.compromised_at.is_some(),
        held: key.hold,
        created_at: key.created_at,
        proven_at: key.proven_at,
        not_before: key.commitment().map(|Commitment { not_before, .. }| not_before),
        not_after: key.not_after,
        unpublished_at: key.unpublished_at,
        erased_at: key.erased_at,
        tokens_issued: signing.map_or(0, |signing| signing.usage.issued.get()),
        last_used_at: (last_used > 0).then(|| Time::from_millis(last_used.saturating_mul(1000))),
    }
}

fn publication(name: &str, seen: &Observed<Publication>) -> PublicationStatus {
    let there = seen.last();
    let message = match seen {
        Observed::Fresh(_) => None,
        Observed::Stale { why, .. } | Observed::Unknown { why, .. } => Some(why.clone()),
    };
    let parts = there.iter().flat_map(|there| &there.vector.0);
    PublicationStatus {
        name: name.to_owned(),
        keys: there.iter().flat_map(|there| &there.keys).map(|(id, _)| id.to_string()).collect(),
        changed_at: there.and_then(|there| there.changed_at),
        seqs: parts.map(|(keyset, (_, seq))| (keyset.clone(), *seq)).collect(),
        message,
    }
}
