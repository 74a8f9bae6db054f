//! What operators ask for: a write to the document, which any rotator then carries out.

use std::fmt;
use std::sync::Arc;

use livekit_keyd_core::change::{self, Change, Illegal, Material};
use livekit_keyd_core::document::{Document, Request};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Rule;
use livekit_keyd_core::time::Time;

use super::Rotator;
use super::execute::{Failure, at_hand};
use crate::api::report::Accepted;
use crate::clock;
use crate::documents::NoDocument;
use crate::keyset::Keyset;
use crate::random;
use crate::store::StoreError;

/// How often an operator's write is tried again when others write at the same moment.
const TRIES: usize = 8;

/// Why an operator's call was not carried out.
#[derive(Debug)]
pub enum Refusal {
    /// There is no such keyset here: the sentence names those there are.
    NoKeyset(String),
    /// The document's state forbids it.
    Illegal(Illegal),
    /// There is no document to change.
    NoDocument(NoDocument),
    /// `accept-restored` where nothing was restored.
    NothingRestored(String),
    /// `init` without force where a document once was.
    OnceHeld(String),
    /// No nodes are watched here.
    NoNodes,
    /// There is no such node: the sentence names those there are.
    NoNode(String),
    /// A node that answers is not struck off.
    NodeAnswers(String),
    /// What was to be imported is no key file, or lacks the key.
    BadKeyFile(String),
    /// The keyset has a document already.
    HasDocument(String),
    /// The store failed: a sentence.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoKeyset(sentence)
            | Refusal::NothingRestored(sentence)
            | Refusal::OnceHeld(sentence)
            | Refusal::NoNode(sentence)
            | Refusal::BadKeyFile(sentence)
            | Refusal::HasDocument(sentence)
            | Refusal::NodeAnswers(sentence)
            | Refusal::Failed(sentence) => f.write_str(sentence),
            Refusal::NoNodes => f.write_str(
                "no nodes are watched here, so none counts: proof is disabled, or [livekit] has no nodes",
            ),
            Refusal::Illegal(illegal) => illegal.fmt(f),
            Refusal::NoDocument(why) => why.fmt(f),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        match failure {
            Failure::Lost => {
                Refusal::Failed("others write to the document all the time; try again".to_owned())
            }
            Failure::UnderWay => {
                Refusal::Failed("it takes a while, and goes on; ask for the status".to_owned())
            }
            Failure::Failed(sentence) => Refusal::Failed(sentence),
        }
    }
}

impl Rotator {
    /// The keyset of this name.
    ///
    /// # Errors
    /// There is none: the refusal names those there are.
    pub fn keyset_named(&self, name: &str) -> Result<Keyset, Refusal> {
        let keysets = self.keysets.load();
        keysets.iter().find(|keyset| keyset.name == name).cloned().ok_or_else(|| {
            let names: Vec<_> = keysets.iter().map(|keyset| keyset.name.as_str()).collect();
            Refusal::NoKeyset(format!("there is no keyset `{name}` here; there is: {}", names.join(", ")))
        })
    }

    /// One change of the document, tried again when others write at the same moment.
    ///
    /// # Errors
    /// Why the document's state forbids it, or why the store failed.
    pub async fn change(&self, name: &str, change: &Change) -> Result<Arc<Document>, Refusal> {
        let _turn = self.turn().await;
        let document = self.change_in_turn(name, change).await?;
        self.poke();
        Ok(document)
    }

    pub(super) async fn change_in_turn(&self, name: &str, change: &Change) -> Result<Arc<Document>, Refusal> {
        let keyset = self.keyset_named(name)?;
        if keyset.is_external() && change.creates() > 0 {
            return Err(Refusal::Illegal(Illegal::MadeByOthers));
        }
        let failed = |error: StoreError| Refusal::Failed(error.to_string());
        let fresh = self.new_standbys(&keyset, change.creates()).await.map_err(failed)?;
        let changed = self.change_with(&keyset, change, &fresh).await;
        if changed.is_err() {
            self.drop_standbys(&keyset, &fresh).await;
        }
        changed
    }

    async fn change_with(
        &self,
        keyset: &Keyset,
        change: &Change,
        fresh: &[KeyId],
    ) -> Result<Arc<Document>, Refusal> {
        for _ in 0..TRIES {
            let world = self.observe().await;
            let seen = world.keysets.get(&keyset.name).ok_or(Refusal::NoDocument(NoDocument::Absent))?;
            let Some(document) = seen.document.fresh() else {
                return Err(Refusal::Failed(unreadable(seen)));
            };
            let material = Material { fresh: fresh.to_vec(), ..at_hand(seen) };
            let next = change::apply(document, change, clock::now(), material).map_err(Refusal::Illegal)?;
            match self.write_document(keyset, next, seen.versions.current, change).await {
                Err(StoreError::Conflict) => {
                    tokio::time::sleep(random::jitter(super::AFTER_A_LOST_RACE)).await
                }
                written => return written.map_err(|error| Refusal::Failed(error.to_string())),
            }
        }
        Err(Failure::Lost.into())
    }

    /// Asks for a change of key, and makes it at once if nothing is in its way.
    ///
    /// # Errors
    /// Why the document's state forbids it.
    pub async fn rotate(
        self: &Arc<Self>,
        name: &str,
        key: Option<KeyId>,
        by: String,
    ) -> Result<Accepted, Refusal> {
        let _turn = self.turn().await;
        let request = Request { by, at: clock::now(), key };
        let asked = self.change_in_turn(name, &Change::Request(request)).await?;
        self.settle().await;
        self.poke();
        let outlook = self.outlook();
        let seen = outlook.as_ref().and_then(|outlook| outlook.world.keysets.get(name));
        let now = seen.and_then(|seen| seen.document.last()).cloned().unwrap_or_else(|| Arc::clone(&asked));
        let committed = now.newest().filter(|_| now.requested.is_none());
        if let Some((key, commitment)) = committed.and_then(|key| Some((key, key.commitment()?))) {
            return Ok(Accepted::Committed {
                keyset: name.to_owned(),
                key_id: key.id.to_string(),
                not_before: commitment.not_before,
                seq: now.seq,
            });
        }
        let blocked = outlook.as_ref().and_then(|outlook| {
            outlook
                .plan
                .blocked
                .iter()
                .find(|blocked| blocked.keyset.as_deref() == Some(name) && blocked.rule == Rule::Request)
        });
        let reason = blocked.map_or_else(
            || "it is remembered in the document, and a rotator will carry it out".to_owned(),
            |blocked| blocked.message.clone(),
        );
        Ok(Accepted::Waiting { waiting: true, reason })
    }

    /// Ends a freeze, or begins one.
    ///
    /// # Errors
    /// Why the document's state forbids it.
    pub async fn hold(&self, name: &str, until: Time, by: String) -> Result<Arc<Document>, Refusal> {
        self.change(name, &Change::Hold { by, until }).await
    }
}

fn unreadable(seen: &livekit_keyd_core::plan::KeysetWorld) -> String {
    use livekit_keyd_core::plan::Observed;
    match &seen.document {
        Observed::Stale { why, .. } | Observed::Unknown { why, .. } => why.clone(),
        Observed::Fresh(_) => String::new(),
    }
}
