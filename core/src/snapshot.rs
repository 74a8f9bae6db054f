//! What a signer signs with: a function of the document, the age of its reading, and the clock.
//!
//! The **lease**: no token outlives the moment at which its document was asked for
//! by more than the key's overlap. Whoever ends a key waits for that long after
//! the change was readable, so a signer that was cut off can never have made a
//! token that outlives its key, and one in touch with the store never starves.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::document::Document;
use crate::key::KeyId;
use crate::rules::Offline;
use crate::time::Time;

/// A committed key as signers see it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The key.
    pub id: KeyId,
    not_before: Time,
    overlap: Duration,
    not_after: Option<Time>,
}

/// The usable keys of one document, resolved once so that a signature searches nothing.
#[derive(Clone, Debug)]
pub struct Snapshot {
    offline: Offline,
    longest_silence: Duration,
    any_committed: bool,
    candidates: Vec<Candidate>,
}

/// What to sign with at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The key's place in [`Snapshot::candidates`].
    pub index: usize,
    /// No token may live longer than this: the lease, or the key's own end.
    pub latest_expiry: Time,
}

/// Why nothing can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// No key was committed yet: the keyset is new.
    NotYetProven,
    /// Every committed key is compromised or withdrawn, or its time is ahead.
    NoKey,
    /// The store was out of reach for so long that the fleet may have changed keys since.
    LeaseEnded {
        /// How long ago the last good document was asked for.
        age: Duration,
    },
    /// `offline = "refuse"`, and the store is out of reach.
    Offline {
        /// How long ago the last good document was asked for.
        age: Duration,
    },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NotYetProven => f.write_str(
                "no key of this keyset has been proven yet; `livekit-keyd plan` tells what it waits for",
            ),
            Unusable::NoKey => f.write_str("this keyset has no usable key; `livekit-keyd keys` tells why"),
            Unusable::LeaseEnded { age } => write!(
                f,
                "the store has not answered for {}, longer than the overlap: keys may have changed since",
                crate::duration::format(Duration::from_secs(age.as_secs()))
            ),
            Unusable::Offline { age } => write!(
                f,
                "the store has not answered for {}, and offline = \"refuse\"",
                crate::duration::format(Duration::from_secs(age.as_secs()))
            ),
        }
    }
}

impl Snapshot {
    /// Of a document, and of what this signer has learnt of compromises from any document before.
    pub fn new(document: &Document, compromised: &BTreeSet<KeyId>) -> Snapshot {
        let mut committed: Vec<_> = document
            .committed()
            .filter(|key| key.is_usable() && !compromised.contains(&key.id))
            .filter_map(|key| Some((key.commitment()?, key)))
            .collect();
        committed.sort_by_key(|(commitment, _)| std::cmp::Reverse(commitment.ordinal));
        Snapshot {
            offline: document.rules.offline,
            longest_silence: document.rules.longest_silence(),
            any_committed: document.committed().next().is_some(),
            candidates: committed
                .into_iter()
                .map(|(commitment, key)| Candidate {
                    id: key.id.clone(),
                    not_before: commitment.not_before,
                    overlap: commitment.overlap,
                    not_after: key.not_after,
                })
                .collect(),
        }
    }

    /// The usable keys, the last committed first.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What to sign with, where the document was asked for `age` ago by a clock that nobody sets.
    ///
    /// # Errors
    /// Why nothing can be signed now.
    pub fn at(&self, now: Time, age: Duration) -> Result<Signing, Unusable> {
        if self.offline == Offline::Refuse && age > self.longest_silence {
            return Err(Unusable::Offline { age });
        }
        let found = self.candidates.iter().enumerate().find(|(_, key)| key.not_before <= now);
        let (index, key) =
            found.ok_or(if self.any_committed { Unusable::NoKey } else { Unusable::NotYetProven })?;
        let lease = now - age + key.overlap;
        let latest_expiry = key.not_after.map_or(lease, |end| end.min(lease));
        if latest_expiry.as_secs() <= now.as_secs() {
            return Err(Unusable::LeaseEnded { age });
        }
        Ok(Signing { index, latest_expiry })
    }
}
