//! One step of a plan, carried out. Each outside change is logged before it is made.

use std::sync::Arc;

use livekit_keyd_core::audit::{self, Event, Outcome};
use livekit_keyd_core::change::{self, Change, Material};
use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Action, KeysetWorld, Rule, Step, World};

use livekit_keyd_core::time::Time;

use super::Rotator;
use super::observe::StandbySecret;
use crate::clock::{self, BootTime};
use crate::keyset::Keyset;
use crate::publish::PublishError;
use crate::random;
use crate::store::{Expected, StoreError};

/// Why a step was not done.
pub(super) enum Failure {
    /// Another process was quicker: look again.
    Lost,
    /// It goes on, beside all else: look again in a while.
    UnderWay,
    /// A sentence.
    Failed(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Conflict => Failure::Lost,
            error => Failure::Failed(error.to_string()),
        }
    }
}

impl Rotator {
    pub(super) async fn execute(self: &Arc<Self>, world: &World, step: &Step) -> Result<(), Failure> {
        match &step.action {
            Action::Save { keyset, change } => {
                let (keyset, seen, document) = self.parts(world, keyset)?;
                // The plan's own clock: what it promised to begin now must not lie in the past by the time of the write.
                let saved = self.save(&keyset, seen, document, change, world.now).await;
                self.metrics.saved(&keyset.name, step.rule, saved.is_ok());
                saved
            }
            Action::Publish { publisher, there, wanted } => {
                let found = self.publishers.iter().find(|known| known.name() == publisher);
                let found =
                    found.ok_or_else(|| Failure::Failed(format!("there is no publisher `{publisher}`")))?;
                tracing::info!(publisher, rule = Rule::Publish.as_str(), "publishing: {}", step.why);
                self.published(publisher, found.replace(there, wanted).await)
            }
            Action::PublishClient { keyset, there, wanted } => {
                let client = self.clients.get(keyset).ok_or(Failure::Lost)?;
                tracing::info!(keyset, rule = Rule::Client.as_str(), "publishing: {}", step.why);
                self.published(client.name(), client.replace(there, wanted).await)
            }
            Action::Roll { change } => {
                let fleet = world.proof.fleet().ok_or(Failure::Lost)?;
                self.roll(&fleet.rollout, change).await
            }
            Action::Restart { publisher, node, generation } => {
                self.order(publisher, node.as_deref(), *generation)
            }
            Action::Purge { keyset, versions, standby } => {
                let (keyset, _, _) = self.parts(world, keyset)?;
                self.purge(&keyset, versions, standby).await
            }
        }
    }

    fn published(&self, publisher: &str, published: Result<(), PublishError>) -> Result<(), Failure> {
        if !matches!(published, Err(PublishError::UnderWay)) {
            self.metrics.published(publisher, published.is_ok());
        }
        published.map_err(|error| match error {
            PublishError::Changed => Failure::Lost,
            PublishError::UnderWay => Failure::UnderWay,
            PublishError::Failed(sentence) => Failure::Failed(sentence),
        })
    }

    fn parts<'a>(
        &self,
        world: &'a World,
        name: &str,
    ) -> Result<(Keyset, &'a KeysetWorld, &'a Arc<Document>), Failure> {
        let seen = world.keysets.get(name);
        let document = seen.and_then(|seen| seen.document.fresh());
        let keyset = self.keysets.load().iter().find(|keyset| keyset.name == name).cloned();
        match (keyset, seen, document) {
            (Some(keyset), Some(seen), Some(document)) => Ok((keyset, seen, document)),
            _ => Err(Failure::Lost),
        }
    }

    /// Makes the keys that a change needs, then makes the change: secrets lie in the store before a document names them.
    async fn save(
        &self,
        keyset: &Keyset,
        seen: &KeysetWorld,
        document: &Document,
        change: &Change,
        now: Time,
    ) -> Result<(), Failure> {
        let mut material = at_hand(seen);
        material.fresh = self.new_standbys(keyset, change.creates()).await?;
        let fresh = material.fresh.clone();
        let next = change::apply(document, change, now, material);
        let saved = match next {
            Ok(next) => self
                .write_document(keyset, next, seen.versions.current, change)
                .await
                .map(|_| ())
                .map_err(Failure::from),
            Err(illegal) => Err(Failure::Failed(format!("{}: {illegal}", change.name()))),
        };
        if matches!(saved, Err(Failure::Lost)) {
            self.drop_standbys(keyset, &fresh).await;
        }
        saved
    }

    /// Secrets for a change to name, which lie in the store before it is made.
    pub(super) async fn new_standbys(&self, keyset: &Keyset, count: usize) -> Result<Vec<KeyId>, StoreError> {
        let mut fresh = Vec::new();
        for _ in 0..count {
            fresh.push(self.new_standby(keyset).await?);
        }
        Ok(fresh)
    }

    async fn new_standby(&self, keyset: &Keyset) -> Result<KeyId, StoreError> {
        let (id, secret) = random::key();
        tracing::info!(keyset = keyset.name, key = id.as_str(), "writing the secret of a new standby");
        let secret = StandbySecret { secret: Some(secret) };
        self.store.write(&keyset.standby_path(&id), &secret, Expected::Absent).await?;
        Ok(id)
    }

    /// Removes secrets that no document will ever name, since the write that was to do so certainly failed. One that
    /// cannot be removed now is found later by the rule for orphans.
    pub(super) async fn drop_standbys(&self, keyset: &Keyset, ids: &[KeyId]) {
        for id in ids {
            if let Err(error) = self.store.remove(&keyset.standby_path(id)).await {
                tracing::debug!(keyset = keyset.name, key = id.as_str(), "left for later: {error}");
            }
        }
    }

    /// One check-and-set of the document. What it commits reaches this process's own signer at once.
    pub(super) async fn write_document(
        &self,
        keyset: &Keyset,
        next: Document,
        version: u64,
        change: &Change,
    ) -> Result<Arc<Document>, StoreError> {
        let key = change.key().map(KeyId::as_str);
        tracing::info!(keyset = keyset.name, key, seq = next.seq, "writing the document: {}", change.name());
        let asked_at = BootTime::now();
        self.store.write(&keyset.path, &next, Expected::Version(version)).await?;
        let next = Arc::new(next);
        self.tell_signer(keyset, &next, asked_at);
        self.record_change(keyset, change, next.seq);
        Ok(next)
    }

    /// Key events: what every change of a document is.
    pub(super) fn record_change(&self, keyset: &Keyset, change: &Change, seq: u64) {
        self.record(keyset, change.word(), change.name(), change.key(), seq);
    }

    /// A key event, by its word and in words.
    pub(super) fn record(&self, keyset: &Keyset, word: &str, name: &str, key: Option<&KeyId>, seq: u64) {
        let Some(trail) = &self.trail else { return };
        trail.note(&Event {
            reason: Some(word),
            message: Some(name),
            keyset: Some(&keyset.name),
            key_id: key.map(KeyId::as_str),
            document_seq: Some(seq),
            ..Event::new(clock::now(), audit::Action::KeyChange, Outcome::Success)
        });
    }

    pub(super) fn tell_signer(&self, keyset: &Keyset, document: &Arc<Document>, asked_at: BootTime) {
        if let Some(Err(how)) = self.signers.get(&keyset.name).map(|signer| signer.offer(document, asked_at))
        {
            tracing::warn!(keyset = keyset.name, "the document just written is not believed here: {how}");
        }
    }

    async fn purge(&self, keyset: &Keyset, versions: &[u64], standby: &[KeyId]) -> Result<(), Failure> {
        if !versions.is_empty() {
            tracing::info!(keyset = keyset.name, ?versions, "destroying older versions of the document");
            self.store.destroy(&keyset.path, versions).await?;
        }
        for id in standby {
            tracing::info!(keyset = keyset.name, key = id.as_str(), "removing a secret beside the document");
            self.store.remove(&keyset.standby_path(id)).await?;
        }
        Ok(())
    }
}

/// What a change may need, of what was read.
pub(super) fn at_hand(seen: &KeysetWorld) -> Material {
    Material { secrets: seen.standby_secrets(), ..Material::none(random::write_id()) }
}
