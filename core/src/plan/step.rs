//! The parts of a plan.

use std::fmt;

use super::client::ClientKey;
use super::publication::Publication;
use crate::change::Change;
use crate::key::KeyId;
use crate::rollout::RolloutChange;
use crate::time::Time;

/// The rules, by the names that logs and `plan` use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The configuration's rules go into the document.
    Settle,
    /// A succeeded key gets its end.
    Bound,
    /// A standby is proven.
    Prove,
    /// A compromised key goes, now that another can sign.
    Replace,
    /// The first key is committed.
    Bootstrap,
    /// A firing commits the next key.
    Fire,
    /// An operator's request commits a key.
    Request,
    /// A missed firing is given up.
    Miss,
    /// An ended key is taken out.
    Retire,
    /// Standbys are made.
    Replenish,
    /// A key of the source becomes a standby.
    Adopt,
    /// The key of the source is committed.
    Follow,
    /// A lost standby is given up.
    Abandon,
    /// A retired secret is erased.
    Erase,
    /// Publications follow the documents.
    Publish,
    /// Dependents that read one key are given the newest.
    Client,
    /// Nodes that do not know what is published are restarted.
    Roll,
    /// What the store still keeps of dead secrets is destroyed.
    Purge,
}

impl Rule {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Settle => "settle",
            Rule::Bound => "bound",
            Rule::Prove => "prove",
            Rule::Replace => "replace",
            Rule::Bootstrap => "bootstrap",
            Rule::Fire => "fire",
            Rule::Request => "request",
            Rule::Miss => "miss",
            Rule::Retire => "retire",
            Rule::Replenish => "replenish",
            Rule::Adopt => "adopt",
            Rule::Follow => "follow",
            Rule::Abandon => "abandon",
            Rule::Erase => "erase",
            Rule::Publish => "publish",
            Rule::Client => "client",
            Rule::Roll => "roll",
            Rule::Purge => "purge",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The rule that wants it.
    pub rule: Rule,
    /// What it is.
    pub action: Action,
    /// In words, with what comes next.
    pub why: String,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Change a keyset's document.
    Save {
        /// The keyset.
        keyset: String,
        /// How.
        change: Change,
    },
    /// Replace what a publisher holds.
    Publish {
        /// The publisher.
        publisher: String,
        /// What was there: the write is refused if that has changed.
        there: Publication,
        /// What shall be there.
        wanted: Publication,
    },
    /// Replace what dependents that read one key are given, or date it.
    PublishClient {
        /// The keyset.
        keyset: String,
        /// What was there: the write is refused if that has changed.
        there: ClientKey,
        /// What shall be there.
        wanted: ClientKey,
    },
    /// Change who restarts which node.
    Roll {
        /// How.
        change: RolloutChange,
    },
    /// Have a publisher restart a node. It is asked again under the same number until it has done so.
    Restart {
        /// The publisher.
        publisher: String,
        /// The node, or `None` for its whole workload.
        node: Option<String>,
        /// The restart's number, which never comes twice.
        generation: u64,
    },
    /// Destroy what the store still keeps of dead secrets.
    Purge {
        /// The keyset.
        keyset: String,
        /// Older versions of the document.
        versions: Vec<u64>,
        /// Secrets beside the document.
        standby: Vec<KeyId>,
    },
}

/// Something that a rule would do but for a cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocked {
    /// The keyset, if it concerns one.
    pub keyset: Option<String>,
    /// The rule that waits.
    pub rule: Rule,
    /// A short stable word for metrics: `hold`, `proof`, `standby` and the like.
    pub reason: &'static str,
    /// What it waits for: a sentence.
    pub message: String,
    /// Until when at least, if the clock alone decides.
    pub until: Option<Time>,
}

/// Something that will happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The keyset.
    pub keyset: String,
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}
