//! How a reader notices that the store went back.
//!
//! A store that was restored serves old documents as if they were new. Who acts
//! on one may sign with a key that the fleet has forgotten, so each reader keeps
//! a mark of the newest document that it ever accepted.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::{Document, Lineage, WriteId};

/// The newest document that a reader ever accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Watermark {
    /// Which document.
    pub lineage: Lineage,
    /// How far it had come.
    pub seq: u64,
    /// The write that brought it there.
    pub write: WriteId,
}

/// Why a document must not be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WentBack {
    /// It was created apart from the one known.
    OtherLineage,
    /// It is older than the one known.
    LowerSeq {
        /// The highest seen before.
        known: u64,
        /// The one in the store.
        found: u64,
    },
    /// It is as new, but another history led to it.
    OtherHistory {
        /// The write that is missing from it.
        known: u64,
    },
}

impl fmt::Display for WentBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WentBack::OtherLineage => {
                f.write_str("the store holds another document than before (its lineage differs)")
            }
            WentBack::LowerSeq { known, found } => {
                write!(
                    f,
                    "the store went back: it holds the document at seq {found}, and {known} was seen before"
                )
            }
            WentBack::OtherHistory { known } => {
                write!(
                    f,
                    "the store holds a document whose history lacks the write at seq {known} that was seen before"
                )
            }
        }?;
        f.write_str("; the last good one stays in use. If the store was restored on purpose, run `livekit-keyd accept-restored`")
    }
}

impl Watermark {
    /// The mark that this document leaves.
    pub fn of(document: &Document) -> Option<Watermark> {
        let last = document.writes.last()?;
        Some(Watermark { lineage: document.lineage.clone(), seq: last.seq, write: last.id.clone() })
    }

    /// Whether a document continues what was seen before.
    ///
    /// # Errors
    /// How it does not.
    pub fn admits(&self, document: &Document) -> Result<(), WentBack> {
        if document.lineage != self.lineage {
            return Err(WentBack::OtherLineage);
        }
        if document.seq < self.seq {
            return Err(WentBack::LowerSeq { known: self.seq, found: document.seq });
        }
        if document.restored_at_seq.is_some_and(|restored| self.seq < restored) {
            return Ok(());
        }
        // Older than all that the document remembers: nothing speaks against it.
        let forgotten = document.writes.first().is_some_and(|oldest| self.seq < oldest.seq);
        let there = document.writes.iter().any(|write| write.seq == self.seq && write.id == self.write);
        if forgotten || there { Ok(()) } else { Err(WentBack::OtherHistory { known: self.seq }) }
    }
}
