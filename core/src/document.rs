//! The document: one per keyset, the only thing that decides which key signs when.
//!
//! It says *when* each key may be used. Who reads it and a clock know the rest,
//! so nobody has to be told at the moment of a change.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::key::{Commitment, Key, KeyId};
use crate::rules::Rules;
use crate::secret::Secret;
use crate::time::Time;

/// The format that this version writes.
pub const FORMAT: u32 = 1;
/// The most keys of one keyset that may be published at a time.
pub const MOST_LIVE_KEYS: usize = 5;
/// How many standbys a keyset keeps.
pub const STANDBYS: usize = 2;
/// How many writes the document remembers.
const REMEMBERED_WRITES: usize = 32;

/// The identity of a document from its creation on; a document created anew has another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lineage(pub String);

/// A random name of one write, so that two histories with equal numbers can be told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriteId(pub String);

/// One remembered write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Write {
    /// The document's number after it.
    pub seq: u64,
    /// Its random name.
    pub id: WriteId,
}

/// A change of key that an operator asked for and that was not committed yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Who asked, as the admin socket knows them.
    pub by: String,
    /// When.
    pub at: Time,
    /// The key that was named, or any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

/// A freeze: nothing is rotated, published anew or erased.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Who asked.
    pub by: String,
    /// When it ends by itself.
    pub until: Time,
}

/// A keyset's document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Document {
    /// The format it was written in.
    pub format: u32,
    /// The lowest format whose readers understand it.
    pub min_reader: u32,
    /// Which document this is.
    pub lineage: Lineage,
    /// Goes up by one with each write; the store's own version may go back after a restore.
    pub seq: u64,
    /// The last writes, oldest first.
    pub writes: Vec<Write>,
    /// Writes below this were given up by an operator who accepted a restored store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at_seq: Option<u64>,
    /// Store versions of writes below this may hold secrets that are dead by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_from_seq: Option<u64>,
    /// The keyset's name.
    pub keyset: String,
    /// Its keys are made, published and withdrawn by others: here stands which of them signs, and since when.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// The number of the configuration that the rules came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_revision: Option<u64>,
    /// The keyset's rules.
    pub rules: Rules,
    /// Since when `rules.rotation` is as it is: earlier firings do not count.
    pub rotation_since: Time,
    /// Firings up to this were dealt with, or missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<Time>,
    /// What an operator asked for and still waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Request>,
    /// A freeze, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// All keys that ever were, oldest first.
    pub keys: Vec<Key>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Why a document that could be parsed cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A later version wrote it.
    Newer {
        /// The format that a reader must know.
        min_reader: u32,
    },
    /// It belongs to another keyset.
    OtherKeyset(String),
    /// No write of ours leaves it so.
    Edited(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Newer { min_reader } => write!(
                f,
                "the document needs a reader of format {min_reader}, and this is livekit-keyd for format {FORMAT}: upgrade this process"
            ),
            Flaw::OtherKeyset(name) => {
                write!(f, "the document belongs to keyset `{name}`: two keysets are configured with one path")
            }
            Flaw::Edited(what) => write!(
                f,
                "the document is not as livekit-keyd writes it ({what}): put the store's previous version of it back"
            ),
        }
    }
}

impl Document {
    /// A new document with standbys that nobody has proven, and no key that signs.
    pub fn create(keyset: &str, rules: Rules, revision: Option<u64>, made: Made, now: Time) -> Document {
        Document {
            format: FORMAT,
            min_reader: FORMAT,
            lineage: made.lineage,
            seq: 1,
            writes: vec![Write { seq: 1, id: made.write }],
            restored_at_seq: None,
            clean_from_seq: None,
            keyset: keyset.to_owned(),
            external: false,
            config_revision: revision,
            rules,
            rotation_since: now,
            served: None,
            requested: None,
            hold: None,
            keys: made.keys.into_iter().map(|id| Key::new(id, now)).collect(),
            other: Map::new(),
        }
    }

    /// A new document without a key, for keys that others make.
    pub fn create_external(
        keyset: &str,
        rules: Rules,
        revision: Option<u64>,
        made: Made,
        now: Time,
    ) -> Document {
        let made = Made { keys: Vec::new(), ..made };
        Document { external: true, ..Document::create(keyset, rules, revision, made, now) }
    }

    /// Takes a key over that others made and sign with: it is active from now on, and held until an operator releases it.
    pub fn adopt(&mut self, id: KeyId, secret: Secret, now: Time) {
        let since = now - self.rules.clock_skew;
        let mut key = Key::new(id, now);
        key.proven_at = Some(now);
        key.hold = true;
        key.secret = Some(secret);
        key.commit(Commitment {
            ordinal: self.next_ordinal(),
            not_before: since,
            overlap: self.rules.overlap,
        });
        self.keys.push(key);
    }

    /// Whether this is a document that this version wrote, or could have.
    ///
    /// # Errors
    /// The first flaw found.
    pub fn check(&self, keyset: &str) -> Result<(), Flaw> {
        if self.min_reader > FORMAT {
            return Err(Flaw::Newer { min_reader: self.min_reader });
        }
        if self.keyset != keyset {
            return Err(Flaw::OtherKeyset(self.keyset.clone()));
        }
        let edited = |what: String| Err(Flaw::Edited(what));
        let history = self.writes.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        if !history || self.writes.last().map(|write| write.seq) != Some(self.seq) {
            return edited(format!("its history of writes does not end at seq {}", self.seq));
        }
        if let Err(error) = self.rules.rotation.schedule() {
            return edited(format!("its schedule cannot be read: {error}"));
        }
        let (mut ids, mut ordinals) = (BTreeSet::new(), BTreeSet::new());
        for key in &self.keys {
            if !ids.insert(&key.id) {
                return edited(format!("key {} is there twice", key.id));
            }
            if key.is_torn() {
                return edited(format!("key {} has a part of a commitment", key.id));
            }
            let Some(commitment) = key.commitment() else {
                if key.secret.is_some() {
                    return edited(format!("the secret of standby {} lies where signers read it", key.id));
                }
                continue;
            };
            if !ordinals.insert(commitment.ordinal) {
                return edited(format!("ordinal {} is there twice", commitment.ordinal));
            }
            if key.secret.is_some() == key.erased_at.is_some() {
                return edited(format!(
                    "key {} is committed and its secret is not as its phase wants it",
                    key.id
                ));
            }
        }
        Ok(())
    }

    /// The key of this id.
    pub fn key(&self, id: &KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == *id)
    }

    pub(crate) fn key_mut(&mut self, id: &KeyId) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| key.id == *id)
    }

    /// The key that signs at a moment: the highest ordinal, not compromised, whose not_before has passed.
    pub fn active(&self, now: Time) -> Option<&Key> {
        self.committed()
            .filter(|key| key.is_usable() && key.commitment().is_some_and(|c| c.not_before <= now))
            .max_by_key(|key| key.commitment().map(|c| c.ordinal))
    }

    /// The committed keys, in no order that matters.
    pub fn committed(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.commitment().is_some())
    }

    /// The committed key that was committed last and is not compromised: the last word on who signs.
    pub fn newest(&self) -> Option<&Key> {
        self.committed().filter(|key| key.is_usable()).max_by_key(|key| key.commitment().map(|c| c.ordinal))
    }

    /// The uncompromised key that was committed next after this one.
    pub fn successor(&self, key: &Key) -> Option<&Key> {
        let ordinal = key.commitment()?.ordinal;
        self.committed()
            .filter(|other| other.is_usable() && other.commitment().is_some_and(|c| c.ordinal > ordinal))
            .min_by_key(|other| other.commitment().map(|c| c.ordinal))
    }

    /// The standbys, the next to be used first.
    pub fn standbys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.is_standby())
    }

    /// The keys that publications are to hold.
    pub fn published(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.is_published())
    }

    /// The freeze, unless it has ended by itself.
    pub fn hold_at(&self, now: Time) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| now < hold.until)
    }

    /// The ordinal of the next commitment.
    pub fn next_ordinal(&self) -> u64 {
        self.committed().filter_map(Key::commitment).map(|c| c.ordinal).max().map_or(1, |highest| highest + 1)
    }

    /// When the keyset last changed its signing key, or is about to.
    pub fn last_rotation(&self) -> Option<Time> {
        self.newest().and_then(Key::commitment).map(|c| c.not_before)
    }

    /// The first firing that was not dealt with; `None` without a schedule, or before there is a key to succeed.
    pub fn next_firing(&self) -> Option<Time> {
        let schedule = self.rules.rotation.schedule().ok()?;
        let after = self.served.unwrap_or(Time::MIN).max(self.rotation_since);
        schedule.next_after(self.last_rotation()?, after)
    }

    pub(crate) fn record(&mut self, seq: u64, id: WriteId) {
        self.seq = seq;
        self.format = FORMAT;
        self.writes.push(Write { seq, id });
        let surplus = self.writes.len().saturating_sub(REMEMBERED_WRITES);
        self.writes.drain(..surplus);
    }
}

/// What a new document is made of, beside its rules: all of it random.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its identity.
    pub lineage: Lineage,
    /// Its first write.
    pub write: WriteId,
    /// Its first keys, whose secrets lie in the store already.
    pub keys: Vec<KeyId>,
}
