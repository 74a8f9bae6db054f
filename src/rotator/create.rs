//! A keyset's document comes to be: empty by `init`, or around a key that others made by `import`.
//!
//! Nothing else ever creates one. A document that is missing where there was one
//! is an alarm: who made another would sign with keys that nobody knows.

use std::sync::Arc;

use livekit_keyd_core::change::Illegal;
use livekit_keyd_core::document::{Document, Made, STANDBYS};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Publication;
use livekit_keyd_core::secret::Secret;

use super::{Refusal, Rotator};
use crate::clock::{self, BootTime};
use crate::keyset::Keyset;
use crate::publish;
use crate::store::{Expected, Found, StoreError};
use crate::{random, refresher};

/// Whether a document was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initialized {
    /// False if there was one already.
    pub created: bool,
}

/// The shortest secret that LiveKit does not warn of.
const SHORTEST_SECRET: usize = 32;

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The ids that stay published without being managed, in the file's order.
    pub foreign: Vec<KeyId>,
    /// What an operator should know of the file: sentences without a secret.
    pub remarks: Vec<String>,
}

impl Rotator {
    /// Makes the keyset's document and its first keys (none where others make them), if there never was one.
    ///
    /// # Errors
    /// Why not.
    pub async fn init(&self, name: &str, force: bool) -> Result<Initialized, Refusal> {
        let keyset = self.keyset_named(name)?;
        let created = {
            let _turn = self.turn().await;
            self.create(&keyset, None, force).await?
        };
        self.poke();
        Ok(Initialized { created })
    }

    /// Makes the keyset's document around a key of a LiveKit key file, which signs at once and is held until it is
    /// released. The file's other keys stay published, as keys that no document knows.
    ///
    /// # Errors
    /// The file is none, it lacks the key, the keyset has a document, or the store failed.
    pub async fn import(&self, name: &str, file: &str, id: &KeyId, force: bool) -> Result<Imported, Refusal> {
        let keyset = self.keyset_named(name)?;
        if keyset.is_external() {
            return Err(Refusal::Illegal(Illegal::MadeByOthers));
        }
        let unreadable = |why: String| {
            Refusal::BadKeyFile(format!("the key file is not LiveKit's map of ids to secrets: {why}"))
        };
        let read = publish::read_key_file(file).map_err(unreadable)?;
        let adopted = read.secret(id).cloned().ok_or_else(|| {
            Refusal::BadKeyFile(format!("the key file has no {id}; it has {} other ids", read.keys.len()))
        })?;
        if adopted.expose().trim() != adopted.expose() || adopted.expose().is_empty() {
            return Err(Refusal::BadKeyFile(format!(
                "the secret of {id} is empty, or begins or ends with a space"
            )));
        }
        let remarks = short_secrets(&read);
        {
            let _turn = self.turn().await;
            // Published first: nothing that the file's nodes accept today may be lost by what follows.
            self.publish_also(&keyset, &read).await?;
            if !self.create(&keyset, Some((id.clone(), adopted)), force).await? {
                return Err(Refusal::HasDocument(format!(
                    "keyset `{name}` has a document already: import is for a keyset that was never initialised"
                )));
            }
        }
        self.poke();
        let foreign = read.keys.into_iter().map(|(known, _)| known).filter(|known| known != id);
        Ok(Imported { foreign: foreign.collect(), remarks })
    }

    /// Adds keys to every publication, after those that it holds.
    async fn publish_also(&self, keyset: &Keyset, read: &Publication) -> Result<(), Refusal> {
        let publications = self.readable_publications(keyset).await?;
        let differs = publications
            .iter()
            .flat_map(|(_, there)| &there.keys)
            .find(|(id, secret)| read.secret(id).is_some_and(|other| other != secret));
        if let Some((id, _)) = differs {
            return Err(Refusal::BadKeyFile(format!(
                "another secret is published for {id} already: an id has one secret for ever"
            )));
        }
        for (index, there) in publications {
            let missing = read.keys.iter().filter(|(id, _)| there.secret(id).is_none());
            let mut wanted = there.clone();
            wanted.keys.extend(missing.cloned());
            if wanted.keys.len() > there.keys.len() {
                wanted.changed_at = None;
                let replaced = self.publishers[index].replace(&there, &wanted).await;
                replaced.map_err(|error| Refusal::Failed(error.to_string()))?;
            }
        }
        Ok(())
    }

    async fn create(
        &self,
        keyset: &Keyset,
        adopted: Option<(KeyId, Secret)>,
        force: bool,
    ) -> Result<bool, Refusal> {
        let failed = |error: StoreError| Refusal::Failed(error.to_string());
        let expected = match self.store.read::<serde::de::IgnoredAny>(&keyset.path).await.map_err(failed)? {
            Found::Value { .. } => return Ok(false),
            Found::Absent if !force && self.is_published(keyset).await => return Err(once_held(keyset)),
            Found::Absent => Expected::Absent,
            Found::Deleted { .. } if !force => return Err(once_held(keyset)),
            Found::Deleted { version } => Expected::Version(version),
        };
        self.protect(keyset).await;
        let count = match &adopted {
            _ if keyset.is_external() => 0,
            Some(_) => STANDBYS,
            None => STANDBYS + 1,
        };
        let ids = self.new_standbys(keyset, count).await.map_err(failed)?;
        let made = Made { lineage: random::lineage(), write: random::write_id(), keys: ids.clone() };
        let (rules, now) = (keyset.rules.clone(), clock::now());
        let create = if keyset.is_external() { Document::create_external } else { Document::create };
        let mut document = create(&keyset.name, rules, keyset.revision, made, now);
        let (word, name) = match &adopted {
            Some(_) => ("imported", "the document is created around a key that others made"),
            None => ("initialised", "the document is created with its first keys"),
        };
        let imported = adopted.as_ref().map(|(id, _)| id.clone());
        if let Some((id, secret)) = adopted {
            document.adopt(id, secret, now);
        }
        let asked_at = BootTime::now();
        tracing::info!(keyset = keyset.name, "creating the document with {} keys", document.keys.len());
        match self.store.write(&keyset.path, &document, expected).await {
            Ok(_) => {
                self.record(keyset, word, name, imported.as_ref(), document.seq);
                if force {
                    self.give_up_the_document_before(keyset, &document).await?;
                }
                self.tell_signer(keyset, &Arc::new(document), asked_at);
                self.conditions.replace(&refresher::source(&keyset.name), Vec::new());
                Ok(true)
            }
            Err(StoreError::Conflict) => {
                self.drop_standbys(keyset, &ids).await;
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Neither this process nor a publication goes by it any more. Its keys stay published, as ids that no document
    /// knows: somebody may still sign with them.
    async fn give_up_the_document_before(&self, keyset: &Keyset, document: &Document) -> Result<(), Refusal> {
        if let Some(signer) = self.signers.get(&keyset.name) {
            signer.forget();
        }
        let publications = self.readable_publications(keyset).await?;
        self.mark_publications(document, publications).await
    }

    /// Whether a publication was derived from a document of this keyset: then there was one.
    async fn is_published(&self, keyset: &Keyset) -> bool {
        for publisher in &self.publishers {
            if publisher.read().await.is_ok_and(|there| there.vector.0.contains_key(&keyset.name)) {
                return true;
            }
        }
        false
    }

    async fn protect(&self, keyset: &Keyset) {
        if let Err(error) = self.store.protect(&keyset.path).await {
            tracing::warn!(keyset = keyset.name, "the path's settings could not be made safe: {error}");
        }
    }
}

fn short_secrets(read: &Publication) -> Vec<String> {
    let short = read.keys.iter().filter(|(_, secret)| secret.expose().len() < SHORTEST_SECRET);
    short
        .map(|(id, _)| {
            format!("the secret of {id} is shorter than {SHORTEST_SECRET} characters: rotate it away soon")
        })
        .collect()
}

fn once_held(keyset: &Keyset) -> Refusal {
    Refusal::OnceHeld(format!(
        "{} once held a document of this keyset: bring it back (for Vault: `vault kv undelete`), or give up the keys that it had with `livekit-keyd init {} --force`",
        keyset.path, keyset.name
    ))
}
