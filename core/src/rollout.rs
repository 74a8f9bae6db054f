//! Who is restarting which node: the lease that lies at `<deployment path>/rollout`, shared by all keysets.
//!
//! The intent is written by check-and-set before anything is restarted, under a
//! number that never comes twice. So two rotators cannot restart two nodes at
//! once, and one that was killed half-way is followed by another under the same
//! number, which the target can tell from a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::key::KeyId;
use crate::time::Time;

/// How long whoever carries out a restart may be silent before another takes over.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often it says that it is still at work.
pub const RENEWAL: Duration = Duration::from_secs(20);
/// The format that this version writes.
const FORMAT: u32 = 1;

/// What lies at the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rollout {
    /// The format it was written in.
    pub format: u32,
    /// The number of the last restart. It goes up, and begins with the clock, so that one never comes twice even after
    /// the store was lost.
    pub generation: u64,
    /// The restart under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarting: Option<Restart>,
    /// Nodes that count no more, by an operator's word.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forgotten: BTreeMap<String, Forgotten>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Rollout {
    fn default() -> Rollout {
        Rollout {
            format: FORMAT,
            generation: 0,
            restarting: None,
            forgotten: BTreeMap::new(),
            other: Map::new(),
        }
    }
}

/// A restart under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restart {
    /// The publisher that restarts.
    pub publisher: String,
    /// The node, or `None` for a whole workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The keys that it is to bring. What is published may change meanwhile, after a compromise: then this restart is
    /// over when it has brought these, and another begins.
    #[serde(default)]
    pub target: BTreeSet<KeyId>,
    /// Who carries it out.
    pub by: String,
    /// When this target's turn began.
    pub began_at: Time,
    /// When who carries it out was last at work.
    pub renewed_at: Time,
    /// When it had been carried out as far as the target says; the node may still be draining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at: Option<Time>,
    /// When it was last ordered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_at: Option<Time>,
    /// How often it was ordered again, since the node came back as it was.
    #[serde(default)]
    pub repeats: u32,
}

impl Restart {
    /// Whether whoever carries it out may be taken for dead.
    pub fn is_abandoned(&self, now: Time, clock_skew: Duration) -> bool {
        now > self.renewed_at + LEASE + clock_skew
    }
}

/// Why a node counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Forgotten {
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Time,
    /// Why.
    pub reason: String,
}

/// A change of the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RolloutChange {
    /// A target's turn begins.
    Begin {
        /// The publisher that restarts.
        publisher: String,
        /// The node, or `None` for a whole workload.
        node: Option<String>,
        /// The keys that are published.
        target: BTreeSet<KeyId>,
    },
    /// Who carries it out is still at work, or takes over from one who is not.
    Renew,
    /// The restart was carried out as far as its target says.
    Ordered,
    /// The target came back as it was: the same again, under a new number.
    Repeat {
        /// The keys that are published.
        target: BTreeSet<KeyId>,
    },
    /// The target was seen as it should be: the next may begin.
    Finish,
    /// A node counts no more.
    Forget {
        /// The node.
        node: String,
        /// Who said so.
        by: String,
        /// Why.
        reason: String,
    },
    /// A node counts again, since it was seen.
    Remember {
        /// The node.
        node: String,
    },
}

impl RolloutChange {
    /// Its name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            RolloutChange::Begin { .. } => "begin",
            RolloutChange::Renew => "renew",
            RolloutChange::Ordered => "ordered",
            RolloutChange::Repeat { .. } => "repeat",
            RolloutChange::Finish => "finish",
            RolloutChange::Forget { .. } => "forget",
            RolloutChange::Remember { .. } => "remember",
        }
    }
}

/// Why a rollout cannot change so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IllegalRollout {
    /// Something is being restarted already.
    Busy(String),
    /// Nothing is being restarted.
    Idle,
    /// Another process carries it out.
    NotOurs(String),
    /// A later version wrote it.
    Newer(u32),
}

impl fmt::Display for IllegalRollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IllegalRollout::Busy(target) => write!(f, "{target} is being restarted already"),
            IllegalRollout::Idle => f.write_str("nothing is being restarted"),
            IllegalRollout::NotOurs(by) => write!(f, "{by} carries the restart out"),
            IllegalRollout::Newer(format) => {
                write!(
                    f,
                    "a later version of livekit-keyd wrote the rollout (format {format}): run that version"
                )
            }
        }
    }
}

/// The rollout after a change by one process.
///
/// # Errors
/// Why its state forbids the change.
pub fn apply(
    rollout: &Rollout,
    change: &RolloutChange,
    me: &str,
    now: Time,
) -> Result<Rollout, IllegalRollout> {
    if rollout.format > FORMAT {
        return Err(IllegalRollout::Newer(rollout.format));
    }
    let mut next = rollout.clone();
    match change {
        RolloutChange::Begin { publisher, node, target } => {
            if let Some(restart) = &rollout.restarting {
                return Err(IllegalRollout::Busy(restart.node.clone().unwrap_or(restart.publisher.clone())));
            }
            next.generation = after(rollout.generation, now);
            next.restarting = Some(Restart {
                publisher: publisher.clone(),
                node: node.clone(),
                target: target.clone(),
                by: me.to_owned(),
                began_at: now,
                renewed_at: now,
                ordered_at: None,
                repeated_at: None,
                repeats: 0,
            });
        }
        RolloutChange::Renew => {
            let restart = under_way(&mut next)?;
            me.clone_into(&mut restart.by);
            restart.renewed_at = now;
        }
        RolloutChange::Ordered => {
            let restart = under_way(&mut next)?;
            if restart.by != me {
                return Err(IllegalRollout::NotOurs(restart.by.clone()));
            }
            restart.ordered_at = Some(now);
        }
        RolloutChange::Repeat { target } => {
            let restart = under_way(&mut next)?;
            restart.target.clone_from(target);
            me.clone_into(&mut restart.by);
            restart.renewed_at = now;
            restart.ordered_at = None;
            restart.repeated_at = Some(now);
            restart.repeats += 1;
            next.generation = after(rollout.generation, now);
        }
        RolloutChange::Finish => {
            under_way(&mut next)?;
            next.restarting = None;
        }
        RolloutChange::Forget { node, by, reason } => {
            let forgotten = Forgotten { by: by.clone(), at: now, reason: reason.clone() };
            next.forgotten.insert(node.clone(), forgotten);
            if next.restarting.as_ref().is_some_and(|restart| restart.node.as_ref() == Some(node)) {
                next.restarting = None;
            }
        }
        RolloutChange::Remember { node } => {
            next.forgotten.remove(node);
        }
    }
    Ok(next)
}

fn after(generation: u64, now: Time) -> u64 {
    (generation + 1).max(now.as_secs().unsigned_abs())
}

fn under_way(rollout: &mut Rollout) -> Result<&mut Restart, IllegalRollout> {
    rollout.restarting.as_mut().ok_or(IllegalRollout::Idle)
}
