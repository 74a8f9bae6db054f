//! Every way in which a document changes, and what makes each of them illegal.
//!
//! The planner and the operators' commands only ever propose changes; `apply`
//! is the one place that makes them, so that no bug elsewhere can break an
//! invariant of the document.

mod compromise;
mod describe;
mod illegal;
mod lifecycle;
mod operator;
mod restore;

use std::collections::BTreeSet;

pub use illegal::Illegal;

use crate::document::{Document, Request, WriteId};
use crate::key::KeyId;
use crate::rules::Rules;
use crate::secret::Secret;
use crate::time::Time;

/// Why a key is committed: it decides what else the write settles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The keyset's first key.
    Bootstrap,
    /// A firing of the schedule, which is served by it.
    Firing(Time),
    /// An operator's request, which is answered by it.
    Request,
    /// The source of an external keyset has it.
    Source,
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The configuration's rules, under a higher revision.
    SetRules {
        /// The new rules.
        rules: Box<Rules>,
        /// The configuration's number.
        revision: u64,
    },
    /// Every node was seen to accept a standby.
    Prove {
        /// The standby.
        key: KeyId,
    },
    /// A proven standby will sign from a moment on. Needs its secret.
    Commit {
        /// The standby.
        key: KeyId,
        /// From when on.
        not_before: Time,
        /// Why.
        cause: Cause,
    },
    /// A key that was succeeded gets its end. Made in a write after the commitment was read.
    Bound {
        /// The key that was succeeded.
        key: KeyId,
    },
    /// A key leaves the publications; new standbys come with the same write.
    Retire {
        /// The key that leaves.
        key: KeyId,
        /// How many standbys to make.
        create: usize,
    },
    /// New standbys.
    Create {
        /// How many.
        count: usize,
    },
    /// A key that others made becomes a standby. Its secret stays where they keep it until it is committed.
    Adopt {
        /// Its id, which never signed here.
        key: KeyId,
    },
    /// A standby whose secret was lost is given up; or one whose owner has put another key in its place.
    Abandon {
        /// The standby.
        key: KeyId,
    },
    /// A retired key's secret leaves the document.
    Erase {
        /// The retired key.
        key: KeyId,
    },
    /// Firings up to a moment were missed and do not count any more.
    Miss {
        /// The moment.
        until: Time,
    },
    /// An operator asks for a change of key.
    Request(Request),
    /// An operator freezes the keyset.
    Hold {
        /// Who.
        by: String,
        /// Until when.
        until: Time,
    },
    /// An operator ends a freeze, and releases adopted keys.
    Resume,
    /// A key is compromised.
    Revoke {
        /// The key.
        key: KeyId,
        /// Why, in the operator's words.
        reason: String,
        /// Go through with it even if nothing can sign afterwards.
        accept_outage: bool,
    },
    /// A key is compromised and nothing could sign in its place yet: it goes as soon as another is proven.
    Replace {
        /// The key.
        key: KeyId,
        /// Why, in the operator's words.
        reason: String,
    },
    /// Every key is compromised: none signs until a new one is proven.
    RevokeAll {
        /// Why, in the operator's words.
        reason: String,
    },
    /// An operator accepts a store that was restored to an old state.
    Restore {
        /// Above every seq that anybody saw.
        seq: u64,
        /// The keys that every publication holds.
        published: BTreeSet<KeyId>,
        /// Those of them that every node takes: one of these signs.
        taken: BTreeSet<KeyId>,
    },
}

/// What a change needs from outside: all of it random or secret.
#[derive(Clone, Debug)]
pub struct Material {
    /// The name of this write.
    pub write: WriteId,
    /// Ids for new standbys, whose secrets lie in the store already.
    pub fresh: Vec<KeyId>,
    /// Secrets of the standbys, for the one that is committed.
    pub secrets: Vec<(KeyId, Secret)>,
}

impl Material {
    /// For a change that makes no key and commits none.
    pub fn none(write: WriteId) -> Material {
        Material { write, fresh: Vec::new(), secrets: Vec::new() }
    }

    fn secret(&self, key: &KeyId) -> Result<Secret, Illegal> {
        let found = self.secrets.iter().find(|(id, _)| id == key);
        found.map(|(_, secret)| secret.clone()).ok_or_else(|| Illegal::SecretMissing(key.clone()))
    }
}

/// The document after a change, one seq further.
///
/// # Errors
/// Why the document's state forbids the change; the document is as it was.
pub fn apply(
    document: &Document,
    change: &Change,
    now: Time,
    material: Material,
) -> Result<Document, Illegal> {
    let mut next = document.clone();
    let mut seq = document.seq + 1;
    match change {
        Change::SetRules { rules, revision } => operator::set_rules(&mut next, rules, *revision, now)?,
        Change::Prove { key } => lifecycle::prove(&mut next, key, now)?,
        Change::Commit { key, not_before, cause } => {
            lifecycle::commit(&mut next, key, *not_before, cause, now, &material)?;
        }
        Change::Bound { key } => lifecycle::bound(&mut next, key, now)?,
        Change::Retire { key, create } => {
            lifecycle::retire(&mut next, key, now)?;
            if *create > 0 {
                lifecycle::create(&mut next, *create, now, &material)?;
            }
        }
        Change::Create { count } => lifecycle::create(&mut next, *count, now, &material)?,
        Change::Adopt { key } => lifecycle::adopt(&mut next, key, now)?,
        Change::Abandon { key } => lifecycle::abandon(&mut next, key, now)?,
        Change::Erase { key } => lifecycle::erase(&mut next, key, now, seq)?,
        Change::Miss { until } => lifecycle::miss(&mut next, *until)?,
        Change::Request(request) => operator::request(&mut next, request, now)?,
        Change::Hold { by, until } => operator::hold(&mut next, by, *until, now)?,
        Change::Resume => operator::resume(&mut next, now)?,
        Change::Revoke { key, reason, accept_outage } => {
            compromise::revoke(&mut next, key, reason, *accept_outage, now, &material)?;
        }
        Change::Replace { key, reason } => compromise::replace(&mut next, key, reason, now)?,
        Change::RevokeAll { reason } => compromise::revoke_all(&mut next, reason, now, &material)?,
        Change::Restore { seq: above, published, taken } => {
            restore::restore(&mut next, *above, published, taken, now, &material)?;
            seq = *above;
        }
    }
    next.record(seq, material.write);
    Ok(next)
}
