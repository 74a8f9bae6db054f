//! The world as a rotator sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adopt::SourceKey;
use super::client::ClientKey;
use super::observed::Observed;
use super::proof::Proof;
use super::publication::Publication;
use crate::document::Document;
use crate::key::KeyId;
use crate::rules::Rules;
use crate::secret::Secret;
use crate::time::Time;

/// Everything that a plan depends on.
#[derive(Clone, Debug)]
pub struct World {
    /// The rotator's clock, read after all else was.
    pub now: Time,
    /// How it is known that nodes accept or refuse a key.
    pub proof: Proof,
    /// The keysets by name.
    pub keysets: BTreeMap<String, KeysetWorld>,
    /// What each publisher holds, by the publisher's name.
    pub publications: BTreeMap<String, Observed<Publication>>,
}

/// What was seen of one keyset.
#[derive(Clone, Debug)]
pub struct KeysetWorld {
    /// Its document.
    pub document: Observed<Arc<Document>>,
    /// The rules that this process's configuration has for it.
    pub rules: Rules,
    /// The configuration's number.
    pub revision: Option<u64>,
    /// What lies beside the document for keys that are not committed, by id.
    pub standby: BTreeMap<KeyId, Standby>,
    /// The document's versions in the store.
    pub versions: Versions,
    /// What dependents that read one key are given; `None` where nobody is.
    pub client: Option<Observed<ClientKey>>,
    /// What others have put at its source; `None` where keys are made here.
    pub source: Option<Observed<SourceKey>>,
}

impl KeysetWorld {
    /// The secret of a standby, if the store has it.
    pub fn standby_secret(&self, id: &KeyId) -> Option<&Secret> {
        let there = self.source.as_ref().and_then(Observed::fresh).filter(|there| there.id == *id);
        there
            .map(|there| &there.secret)
            .or_else(|| self.standby.get(id).and_then(|standby| standby.secret.as_ref()))
    }

    /// Every secret of keys that are not committed, for whoever commits one.
    pub fn standby_secrets(&self) -> Vec<(KeyId, Secret)> {
        let there = self.source.as_ref().and_then(Observed::fresh).map(|there| &there.id);
        let ids = self.standby.keys().chain(there);
        ids.filter_map(|id| Some((id.clone(), self.standby_secret(id)?.clone()))).collect()
    }
}

/// A secret that lies in the store for a key that is not committed.
#[derive(Clone, Debug)]
pub struct Standby {
    /// Read only when the document names it.
    pub secret: Option<Secret>,
    /// How far the document had come when it was read next, after this rotator first saw the secret.
    pub seen_at_seq: u64,
}

/// The versions of a document that the store keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The current one.
    pub current: u64,
    /// Older ones that can still be read.
    pub older: Vec<u64>,
}

/// One keyset in the world, as its rules see it.
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) name: &'a str,
    pub(super) keyset: &'a KeysetWorld,
    pub(super) document: &'a Arc<Document>,
}

impl World {
    /// The documents that were read just now and whose keys are made and published here.
    pub(super) fn managed(&self) -> impl Iterator<Item = (&KeysetWorld, &Document)> {
        let documents = self.keysets.values().filter_map(|keyset| Some((keyset, keyset.document.fresh()?)));
        documents
            .filter(|(_, document)| !document.external)
            .map(|(keyset, document)| (keyset, document.as_ref()))
    }
}

impl View<'_> {
    pub(super) fn now(&self) -> Time {
        self.world.now
    }
}
