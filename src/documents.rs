//! Documents in the store: read, believed or not, and written.

use std::fmt;
use std::sync::Arc;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::watermark::WentBack;
use serde::Deserialize;

use crate::clock::BootTime;
use crate::keyset::Keyset;
use crate::signer::Signer;
use crate::store::{Found, Store, StoreError};

/// A document that was read and believed.
pub struct Read {
    /// The document.
    pub document: Arc<Document>,
    /// The store's version of it, for check-and-set.
    pub version: u64,
}

/// Why there is no document to go by.
#[derive(Debug)]
pub enum NoDocument {
    /// None was ever there.
    Absent,
    /// One was there once.
    Deleted,
    /// The store did not give it.
    Store(StoreError),
    /// It cannot be used: a sentence.
    Flawed(String),
    /// The store went back.
    WentBack(WentBack),
}

impl NoDocument {
    /// A short stable word, for metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            NoDocument::Absent => "missing",
            NoDocument::Deleted => "deleted",
            NoDocument::Store(error) if error.is_retryable() => "unreachable",
            NoDocument::Store(_) => "refused",
            NoDocument::Flawed(_) => "flawed",
            NoDocument::WentBack(_) => "went-back",
        }
    }
}

impl fmt::Display for NoDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoDocument::Absent => f.write_str("the keyset has no document yet; create it with `livekit-keyd init`"),
            NoDocument::Deleted => f.write_str(
                "the keyset's document was deleted from the store; put it back (for Vault: `vault kv undelete`), or accept the loss with `livekit-keyd init --force`",
            ),
            NoDocument::Store(error) => error.fmt(f),
            NoDocument::Flawed(sentence) => f.write_str(sentence),
            NoDocument::WentBack(how) => how.fmt(f),
        }
    }
}

/// Only what tells whether the rest can be read.
#[derive(Deserialize)]
struct Header {
    min_reader: u32,
}

/// Reads a keyset's document and hands it to its signer, who knows whether the store went back.
///
/// # Errors
/// Why there is none to go by; the signer keeps the last good one.
pub async fn read(store: &Store, keyset: &Keyset, signer: &Signer) -> Result<Read, NoDocument> {
    let asked_at = BootTime::now();
    let (version, document) = match store.read::<Document>(&keyset.path).await {
        Ok(Found::Value { version, value }) => (version, value),
        Ok(Found::Absent) => return Err(NoDocument::Absent),
        Ok(Found::Deleted { .. }) => return Err(NoDocument::Deleted),
        Err(error @ StoreError::Malformed { .. }) => return Err(malformed(store, keyset, error).await),
        Err(error) => return Err(NoDocument::Store(error)),
    };
    document.check(&keyset.name).map_err(|flaw| NoDocument::Flawed(flaw.to_string()))?;
    let document = Arc::new(document);
    signer.offer(&document, asked_at).map_err(NoDocument::WentBack)?;
    Ok(Read { document, version })
}

/// A later version's document may have another shape; then its header says so.
async fn malformed(store: &Store, keyset: &Keyset, error: StoreError) -> NoDocument {
    match store.read::<Header>(&keyset.path).await {
        Ok(Found::Value { value, .. }) if value.min_reader > livekit_keyd_core::document::FORMAT => {
            let flaw = livekit_keyd_core::document::Flaw::Newer { min_reader: value.min_reader };
            NoDocument::Flawed(flaw.to_string())
        }
        _ => NoDocument::Store(error),
    }
}
