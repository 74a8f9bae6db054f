//! What a rotator looks at, and in which order.
//!
//! Publications first, then documents: so a document is at least as new as what
//! was derived from it. Secrets beside a document come after it, since they are
//! written before the document names them. The clock comes last.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, PoisonError};

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{KeysetWorld, Observed, Publication, Standby, Versions, World};
use livekit_keyd_core::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Rotator;
use crate::keyset::Keyset;
use crate::store::{Found, StoreError};
use crate::{clock, documents, source};

/// What lies at a standby's path.
#[derive(Serialize, Deserialize)]
pub(super) struct StandbySecret {
    #[serde(with = "livekit_keyd_core::secret::exposed")]
    pub(super) secret: Option<Secret>,
}

/// A document is of one mode for ever: who took it for another would publish keys of others, or give up its own.
fn suits(keyset: &Keyset, document: &Document) -> Result<(), String> {
    let mode = |external| if external { "external" } else { "managed" };
    let (own, its) = (mode(keyset.is_external()), mode(document.external));
    if own == its {
        return Ok(());
    }
    Err(format!(
        "keyset `{}` is configured with mode = \"{own}\", and its document was made with mode = \"{its}\": put the mode back, or give the keyset a path of its own",
        keyset.name
    ))
}

impl Rotator {
    pub(super) async fn observe(&self) -> World {
        let mut publications = BTreeMap::new();
        for publisher in &self.publishers {
            let seen = self.publication(publisher).await;
            publications.insert(publisher.name().to_owned(), seen);
        }
        let mut keysets = BTreeMap::new();
        for keyset in self.keysets.load().iter() {
            if let Some(seen) = self.keyset(keyset).await {
                keysets.insert(keyset.name.clone(), seen);
            }
        }
        let proof = self.proof(&keysets).await;
        World { now: clock::now(), proof, keysets, publications }
    }

    async fn publication(&self, publisher: &crate::publish::Publisher) -> Observed<Publication> {
        let read = publisher.read().await;
        let since = self.since(publisher.name(), read.is_ok());
        match read {
            Ok(publication) => Observed::Fresh(publication),
            Err(error) => Observed::Unknown { since, why: error.to_string() },
        }
    }

    /// `None` for a keyset that nobody has initialised: that is no fault.
    async fn keyset(&self, keyset: &Keyset) -> Option<KeysetWorld> {
        let signer = self.signers.get(&keyset.name)?;
        let mut seen = KeysetWorld {
            document: Observed::Unknown { since: clock::now(), why: String::new() },
            rules: keyset.rules.clone(),
            revision: keyset.revision,
            standby: BTreeMap::new(),
            versions: Versions::default(),
            client: None,
            source: None,
        };
        if let Some(client) = self.clients.get(&keyset.name) {
            let read = client.read().await;
            let since = self.since(client.name(), read.is_ok());
            seen.client = Some(match read {
                Ok(there) => Observed::Fresh(there),
                Err(error) => Observed::Unknown { since, why: error.to_string() },
            });
        }
        if let Some(source) = &keyset.source {
            let read = source::read(&self.store, source).await;
            let since = self.since(&source.path, read.is_ok());
            seen.source = Some(match read {
                Ok(there) => Observed::Fresh(there),
                Err(why) => Observed::Unknown { since, why: why.to_string() },
            });
        }
        let looked = self.look_at(keyset, signer, &mut seen).await;
        let since = self.since(&keyset.path, looked.is_ok());
        let why = match looked {
            Ok(document) => {
                seen.document = Observed::Fresh(document);
                return Some(seen);
            }
            Err(documents::NoDocument::Absent) if signer.mark().is_none() => return None,
            Err(documents::NoDocument::Absent) => {
                format!(
                    "the store has nothing at {} where the keyset's document was: see the runbook for a lost store",
                    keyset.path
                )
            }
            Err(error) => error.to_string(),
        };
        let last = signer.keyring().as_ref().map(|keyring| Arc::clone(&keyring.document));
        seen.document = match last {
            Some(value) => Observed::Stale { value, since, why },
            None => Observed::Unknown { since, why },
        };
        Some(seen)
    }

    async fn look_at(
        &self,
        keyset: &Keyset,
        signer: &crate::signer::Signer,
        seen: &mut KeysetWorld,
    ) -> Result<Arc<Document>, documents::NoDocument> {
        let read = documents::read(&self.store, keyset, signer).await?;
        suits(keyset, &read.document).map_err(documents::NoDocument::Flawed)?;
        seen.standby = self.standbys(keyset, &read.document).await.map_err(documents::NoDocument::Store)?;
        seen.versions.current = read.version;
        if read.document.clean_from_seq.is_some() {
            let older = self.store.older_versions(&keyset.path).await;
            seen.versions.older = older.map_err(documents::NoDocument::Store)?;
        }
        Ok(read.document)
    }

    /// The secrets beside a document. One that the document names and the store has deleted is left out: it is lost.
    pub(super) async fn standbys(
        &self,
        keyset: &Keyset,
        document: &Document,
    ) -> Result<BTreeMap<KeyId, Standby>, StoreError> {
        let mut standbys = BTreeMap::new();
        // The secrets of keys that others make lie at their source only.
        if keyset.is_external() {
            return Ok(standbys);
        }
        for name in self.store.list(&keyset.standby_folder()).await? {
            let id = KeyId::new(name);
            let mut secret = None;
            if document.standbys().any(|key| key.id == id) {
                match self.store.read::<StandbySecret>(&keyset.standby_path(&id)).await? {
                    Found::Value { value, .. } => secret = value.secret,
                    Found::Absent | Found::Deleted { .. } => continue,
                }
            }
            let seen_at_seq = self.first_seen(&keyset.name, &id, document.seq);
            standbys.insert(id, Standby { secret, seen_at_seq });
        }
        Ok(standbys)
    }

    /// The document's seq at the first look that began after a secret was seen. The document of the look that saw it
    /// was read before, and may be older than the one that the secret's writer is about to replace.
    fn first_seen(&self, keyset: &str, id: &KeyId, seq: u64) -> u64 {
        let mut first_seen = self.state.first_seen.lock().unwrap_or_else(PoisonError::into_inner);
        match first_seen.entry((keyset.to_owned(), id.clone())) {
            Entry::Vacant(vacant) => {
                vacant.insert(None);
                seq
            }
            Entry::Occupied(mut seen) => *seen.get_mut().get_or_insert(seq),
        }
    }
}
