//! What LiveKit's nodes answered when they were asked about each key.
//!
//! A node reads its keys at its start only, so what a file holds says nothing
//! about what a node knows. Only the node's own answer does, and only while it is
//! recent: a node that falls silent is unknown, never proof.

use std::collections::BTreeMap;
use std::time::Duration;

use super::observed::Observed;
use crate::key::KeyId;
use crate::rollout::Rollout;
use crate::time::Time;

/// The nodes, what moves them, and what they said.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// What each node said, by its address.
    pub nodes: BTreeMap<String, Node>,
    /// Names that give no addresses, and why: their nodes are unknown, so nothing is proven.
    pub unresolved: BTreeMap<String, String>,
    /// With fewer nodes than this nothing is proven.
    pub min_nodes: usize,
    /// How old an answer may be that proves something.
    pub fresh_for: Duration,
    /// How long a restarted node may take before an operator should look.
    pub node_restart_timeout: Duration,
    /// Who is restarting which node, and which nodes were struck off.
    pub rollout: Observed<(u64, Rollout)>,
    /// Which of this process's publishers can restart what.
    pub restarters: BTreeMap<String, Restarter>,
    /// This process, as the lease names it.
    pub me: String,
    /// What became of the restart that this process carries out, by its generation.
    pub orders: BTreeMap<u64, Order>,
}

/// What a publisher can restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restarter {
    /// Single nodes: those it names, or every one.
    Nodes(Option<Vec<String>>),
    /// A workload as a whole, whose controller moves its nodes one by one: these nodes, or every one.
    Workload(Option<Vec<String>>),
}

impl Restarter {
    /// Whether a node is among those it restarts.
    pub fn reaches(&self, node: &str) -> bool {
        let (Restarter::Nodes(nodes) | Restarter::Workload(nodes)) = self;
        nodes.as_ref().is_none_or(|nodes| nodes.iter().any(|known| known == node))
    }
}

/// What became of a restart that this process ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is being carried out.
    Running,
    /// It was carried out, as far as the target says.
    Done,
    /// It failed at a moment, for a reason: it is tried again.
    Failed(Time, String),
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What it said to each key, the last time it was asked.
    pub answers: BTreeMap<KeyId, Answer>,
    /// Since when it answers without a gap; `None` while it does not.
    pub answering_since: Option<Time>,
    /// When nothing was last seen to listen there: its process had ended. A lost answer is no such sight.
    pub gone_at: Option<Time>,
    /// Why it is not to be believed, whatever it says: it is no LiveKit, or gives no answer.
    pub trouble: Option<String>,
    /// By how much its clock differs from this process's at least; zero while they may be equal.
    pub clock_difference: Duration,
}

/// What a node said to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it was.
    pub verdict: Verdict,
    /// Since when it has been the same.
    pub since: Time,
    /// When the question was sent that was answered last.
    pub asked_at: Time,
}

/// What a node makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It verifies tokens of this key.
    Accepted,
    /// It does not know the key's id.
    Refused,
    /// It knows the id, with another secret; or its clock is far off.
    Mismatch,
}

impl Verdict {
    /// As `status` and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Refused => "refused",
            Verdict::Mismatch => "mismatch",
        }
    }
}

impl Fleet {
    /// The nodes that count: those that no operator struck off.
    pub fn counted(&self) -> impl Iterator<Item = (&String, &Node)> {
        let forgotten = self.rollout.last().map(|(_, rollout)| &rollout.forgotten);
        self.nodes.iter().filter(move |(address, _)| {
            forgotten.is_none_or(|forgotten| !forgotten.contains_key(address.as_str()))
        })
    }

    /// What a node makes of a key, if it said so lately and is to be believed.
    pub fn verdict(&self, node: &Node, id: &KeyId, now: Time) -> Option<Verdict> {
        let answer = node.answers.get(id).filter(|_| node.trouble.is_none())?;
        // An answer from ahead of the clock was given before the clock was set back.
        let recent = answer.asked_at <= now && now.since(answer.asked_at) <= self.fresh_for;
        recent.then_some(answer.verdict)
    }

    /// Whether the nodes are known well enough that what all of them say is proof.
    ///
    /// # Errors
    /// Why they are not: a sentence.
    pub fn is_known(&self) -> Result<(), String> {
        if let Some((name, why)) = self.unresolved.iter().next() {
            return Err(format!("`{name}` gives no nodes: {why}"));
        }
        let count = self.counted().count();
        if count < self.min_nodes.max(1) {
            return Err(format!("{count} nodes are known, and min_nodes is {}", self.min_nodes.max(1)));
        }
        Ok(())
    }

    /// Whether each node said the same of a key lately, at or after a moment.
    ///
    /// # Errors
    /// Which node did not, and what it said: a sentence.
    pub fn all_say(&self, wanted: Verdict, id: &KeyId, after: Time, now: Time) -> Result<(), String> {
        self.is_known()?;
        for (address, node) in self.counted() {
            if let Some(trouble) = &node.trouble {
                return Err(format!("node {address}: {trouble}"));
            }
            match self.verdict(node, id, now) {
                Some(verdict) if verdict == wanted => {}
                Some(Verdict::Accepted) => return Err(format!("node {address} still accepts {id}")),
                Some(Verdict::Refused) => return Err(format!("node {address} does not know {id} yet")),
                Some(Verdict::Mismatch) => {
                    return Err(format!(
                        "node {address} has another secret for {id}, or its clock is far off"
                    ));
                }
                None => return Err(format!("node {address} has not answered about {id} lately")),
            }
            if node.answers.get(id).is_some_and(|answer| answer.asked_at < after) {
                return Err(format!("node {address} was not asked about {id} since {after}"));
            }
        }
        Ok(())
    }

    /// Whether all clocks agree, as far as answers tell.
    ///
    /// # Errors
    /// Which node's does not: a sentence.
    pub fn clocks_agree(&self, skew: Duration) -> Result<(), String> {
        let off = self.counted().find(|(_, node)| node.clock_difference > skew);
        off.map_or(Ok(()), |(address, node)| {
            Err(format!(
                "the clock of node {address} differs by {} or more from this rotator's, and clock_skew is {}",
                crate::duration::format(Duration::from_secs(node.clock_difference.as_secs())),
                crate::duration::format(skew)
            ))
        })
    }
}
