//! An operator says that the store was restored on purpose.
//!
//! The order matters. Publications are marked first, so that whatever an older
//! process still writes loses against them; then the document is written with a
//! seq above all that anybody saw, and a key that every publication holds and every
//! node takes signs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{self, Change};
use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{KeysetWorld, Observed, Publication, Verdict, Versions};
use livekit_keyd_core::time::Time;

use super::execute::at_hand;
use super::{Refusal, Rotator};
use crate::clock::{self, BootTime};
use crate::keyset::Keyset;
use crate::store::{Expected, Found, StoreError};

/// How far the new seq lies above the highest known, since others may have seen more than this process.
const MARGIN: u64 = 1 << 20;
/// How long nodes are waited for that were asked which of the restored keys they take.
const ANSWERS: Duration = Duration::from_secs(20);

impl Rotator {
    /// Believes the document that the store has now, and gives up what was seen before.
    ///
    /// # Errors
    /// Why it cannot be: no document, no publication, nodes that are not known, or no key that all know.
    pub async fn accept_restored(&self, name: &str) -> Result<Arc<Document>, Refusal> {
        let keyset = self.keyset_named(name)?;
        let document = {
            let _turn = self.turn().await;
            self.accept(&keyset).await?
        };
        self.poke();
        Ok(document)
    }

    async fn accept(&self, keyset: &Keyset) -> Result<Arc<Document>, Refusal> {
        let failed = |error: StoreError| Refusal::Failed(error.to_string());
        let (version, document) = match self.store.read::<Document>(&keyset.path).await.map_err(failed)? {
            Found::Value { version, value } => (version, value),
            Found::Absent | Found::Deleted { .. } => {
                return Err(Refusal::NoDocument(crate::documents::NoDocument::Absent));
            }
        };
        document.check(&keyset.name).map_err(|flaw| Refusal::Failed(flaw.to_string()))?;
        let publications = self.readable_publications(keyset).await?;
        if !self.went_back(keyset, &document, &publications) {
            return Err(Refusal::NothingRestored(format!(
                "the store has not gone back: its document of `{}` continues what was seen before, and nothing is to be accepted",
                keyset.name
            )));
        }
        let seq = self.seq_above_all(keyset, &document, &publications);
        let standby = self.standbys(keyset, &document).await.map_err(failed)?;
        let seen = KeysetWorld {
            document: Observed::Fresh(Arc::new(document)),
            rules: keyset.rules.clone(),
            revision: keyset.revision,
            standby,
            versions: Versions { current: version, older: Vec::new() },
            client: None,
            source: None,
        };
        let Some(document) = seen.document.fresh() else {
            return Err(Refusal::NoDocument(crate::documents::NoDocument::Absent));
        };
        // Of keys that others make their source will say which of them is past.
        let (published, taken) = if keyset.is_external() {
            let published: BTreeSet<_> = document.published().map(|key| key.id.clone()).collect();
            (published.clone(), published)
        } else {
            let published = held_by_all(&publications);
            let taken = self.taken_by_all(&keyset.name, &seen, &published).await?;
            (published, taken)
        };
        let restore = Change::Restore { seq, published, taken };
        let next =
            change::apply(document, &restore, clock::now(), at_hand(&seen)).map_err(Refusal::Illegal)?;
        self.mark_publications(&next, publications).await?;
        tracing::warn!(keyset = keyset.name, seq, "accepting a restored store");
        let asked_at = BootTime::now();
        self.store.write(&keyset.path, &next, Expected::Version(version)).await.map_err(failed)?;
        let next = Arc::new(next);
        self.record_change(keyset, &restore, next.seq);
        if let Some(signer) = self.signers.get(&keyset.name) {
            signer.forget();
        }
        self.tell_signer(keyset, &next, asked_at);
        Ok(next)
    }

    /// Those of the keys that every node takes; all, where nodes are not asked. What they read may have gone back with
    /// the store, and says nothing about them then.
    async fn taken_by_all(
        &self,
        name: &str,
        seen: &KeysetWorld,
        held: &BTreeSet<KeyId>,
    ) -> Result<BTreeSet<KeyId>, Refusal> {
        let keysets = BTreeMap::from([(name.to_owned(), seen.clone())]);
        let Some(deployment) = &self.deployment else { return Ok(held.clone()) };
        self.proof(&keysets).await;
        // Whoever says nothing for so long is in trouble, and told below.
        let _ = tokio::time::timeout(ANSWERS, deployment.watcher.settled()).await;
        let proof = self.proof(&keysets).await;
        let Some(fleet) = proof.fleet() else { return Ok(held.clone()) };
        fleet.is_known().map_err(|why| {
            Refusal::Failed(format!(
                "a key that every node takes is to sign, and what they take cannot be known: {why}"
            ))
        })?;
        let now = clock::now();
        let takes = |id: &&KeyId| fleet.all_say(Verdict::Accepted, id, Time::MIN, now).is_ok();
        Ok(held.iter().filter(takes).cloned().collect())
    }

    /// Whether this process or a publication has seen more than the store has.
    fn went_back(&self, keyset: &Keyset, document: &Document, publications: &[(usize, Publication)]) -> bool {
        let mark = self.signers.get(&keyset.name).and_then(|signer| signer.mark());
        let unbelieved = mark.is_some_and(|mark| mark.admits(document).is_err());
        let parts = publications.iter().filter_map(|(_, there)| there.vector.0.get(&keyset.name));
        unbelieved
            || parts.into_iter().any(|(lineage, seq)| *lineage != document.lineage || *seq > document.seq)
    }

    /// What is published here of a keyset: nothing, where others do that.
    pub(super) async fn readable_publications(
        &self,
        keyset: &Keyset,
    ) -> Result<Vec<(usize, Publication)>, Refusal> {
        let mut publications = Vec::new();
        let publishers = self.publishers.iter().enumerate();
        for (index, publisher) in publishers.filter(|_| !keyset.is_external()) {
            let there = publisher.read().await.map_err(|error| Refusal::Failed(error.to_string()))?;
            publications.push((index, there));
        }
        Ok(publications)
    }

    fn seq_above_all(
        &self,
        keyset: &Keyset,
        document: &Document,
        publications: &[(usize, Publication)],
    ) -> u64 {
        let published = publications.iter().filter_map(|(_, there)| there.vector.0.get(&keyset.name));
        let marked = self.signers.get(&keyset.name).and_then(|signer| signer.mark()).map(|mark| mark.seq);
        let highest = published.map(|(_, seq)| *seq).chain(marked).max().unwrap_or(0).max(document.seq);
        highest.saturating_add(MARGIN)
    }

    /// The same keys, with a mark that makes whatever an older process still writes lose.
    pub(super) async fn mark_publications(
        &self,
        document: &Document,
        publications: Vec<(usize, Publication)>,
    ) -> Result<(), Refusal> {
        for (index, there) in publications {
            let mut wanted = there.clone();
            wanted.vector.0.insert(document.keyset.clone(), (document.lineage.clone(), document.seq));
            let replaced = self.publishers[index].replace(&there, &wanted).await;
            replaced.map_err(|error| Refusal::Failed(error.to_string()))?;
        }
        Ok(())
    }
}

fn held_by_all(publications: &[(usize, Publication)]) -> BTreeSet<KeyId> {
    let mut ids = publications.iter().map(|(_, there)| there.keys.iter().map(|(id, _)| id.clone()).collect());
    let first: BTreeSet<KeyId> = ids.next().unwrap_or_default();
    ids.fold(first, |held, other: BTreeSet<KeyId>| held.intersection(&other).cloned().collect())
}
