//! What the admin socket tells: the types that the daemon writes and the command line reads.

use std::collections::BTreeMap;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::time::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::audit::TrailStatus;

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Of this program.
    pub version: String,
    /// `rotator`, `signer` or `both`.
    pub role: String,
    /// The store, as last heard of.
    pub store: StoreStatus,
    /// The configured keysets.
    pub keysets: Vec<KeysetStatus>,
    /// The audit trail, where there is one.
    #[serde(default)]
    pub audit: Option<TrailStatus>,
    /// What LiveKit reads. Only a rotator knows.
    pub publications: Vec<PublicationStatus>,
    /// LiveKit's nodes. Only a rotator asks them, and only where proof is required.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStatus>,
    /// What is being restarted, by whichever rotator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarting: Option<RestartStatus>,
    /// What concerns no single keyset.
    pub conditions: Vec<Condition>,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreStatus {
    /// `vault` or `file`.
    pub kind: String,
    /// Whether the last call was answered.
    pub reachable: bool,
    /// When a call last succeeded.
    pub last_success: Option<Time>,
    /// What went wrong last, if the last call did.
    pub message: Option<String>,
}

/// A keyset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeysetStatus {
    /// Its name.
    pub name: String,
    /// Of the last good document; `None` before one was read.
    pub seq: Option<u64>,
    /// Whether a token can be minted now, and if not, why.
    pub unusable: Option<String>,
    /// How many keys are in each phase.
    pub phases: BTreeMap<String, usize>,
    /// Oldest first.
    pub keys: Vec<KeyStatus>,
    /// Whether others make its keys, and put the one that is to sign at a source.
    #[serde(default)]
    pub external: bool,
    /// What lies at that source. Only a rotator knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceStatus>,
    /// The next firing of the schedule, if there is one.
    pub next_firing: Option<Time>,
    /// Until when it is on hold.
    pub hold_until: Option<Time>,
    /// What is wrong, or worth knowing.
    pub conditions: Vec<Condition>,
}

/// Where others put the key that is to sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// Its path in the store.
    pub path: String,
    /// The key there, if one can be read.
    pub key_id: Option<String>,
    /// Why none can be read, if none can.
    pub message: Option<String>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyStatus {
    /// Its id.
    pub id: String,
    /// Its phase now.
    pub phase: String,
    /// Whether it was revoked.
    pub compromised: bool,
    /// Whether it is held until `resume`.
    pub held: bool,
    /// Its times, as the document has them.
    pub created_at: Time,
    /// When every node was seen to accept it.
    pub proven_at: Option<Time>,
    /// From when on signers use it.
    pub not_before: Option<Time>,
    /// No token of it lives longer.
    pub not_after: Option<Time>,
    /// When it was taken out.
    pub unpublished_at: Option<Time>,
    /// When its secret was erased.
    pub erased_at: Option<Time>,
    /// Tokens that this process signed with it.
    pub tokens_issued: u64,
    /// When this process last signed with it.
    pub last_used_at: Option<Time>,
}

/// What one publisher holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublicationStatus {
    /// The publisher's name.
    pub name: String,
    /// The ids in it, in its order.
    pub keys: Vec<String>,
    /// When its set of keys last changed.
    pub changed_at: Option<Time>,
    /// How far each keyset's document had come.
    pub seqs: BTreeMap<String, u64>,
    /// Why it cannot be read, if it cannot.
    pub message: Option<String>,
}

/// A LiveKit node, or a name that gives none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatus {
    /// Its address.
    pub address: String,
    /// Whether it accepts every published key and refuses every one that was taken out.
    pub on_target: bool,
    /// Since when it answers without a gap; nothing while it does not.
    pub answering_since: Option<Time>,
    /// By how much its clock differs at least.
    pub clock_difference: String,
    /// Why an operator struck it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<String>,
    /// Why it is not on target, or why that is not known: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it makes of each key.
    pub keys: BTreeMap<String, NodeKey>,
}

/// What a node makes of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeKey {
    /// `accepted`, `refused`, `mismatch` or `unknown`.
    pub verdict: String,
    /// Since when it says so.
    pub since: Time,
}

/// A restart under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RestartStatus {
    /// The publisher that restarts.
    pub publisher: String,
    /// The node; nothing for a whole workload.
    pub node: Option<String>,
    /// The process that carries it out.
    pub by: String,
    /// Its number, which never comes twice.
    pub generation: u64,
    /// When its turn began.
    pub began_at: Time,
    /// When it had been told to restart.
    pub ordered_at: Option<Time>,
}

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// Like `RotationBlocked`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the service is worse for it: `status` exits with 3.
    pub degraded: bool,
    /// A short stable word.
    pub reason: String,
    /// A sentence that says what to do.
    pub message: String,
    /// Since when it has been so, as far as this process knows.
    pub since: Time,
}

/// `GET /v1/plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// When the plan was made.
    pub at: Time,
    /// What is done next.
    pub steps: Vec<StepReport>,
    /// What waits, and for what.
    pub blocked: Vec<BlockedReport>,
    /// What is worth knowing.
    pub alarms: Vec<Condition>,
    /// When the clock alone changes the plan.
    pub wake: Option<Time>,
    /// What will happen if nothing else does.
    pub forecast: Vec<ForecastReport>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepReport {
    /// The rule that wants it.
    pub rule: String,
    /// The keyset, or the publisher.
    pub subject: String,
    /// In words.
    pub why: String,
}

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedReport {
    /// The keyset, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyset: Option<String>,
    /// The rule that waits.
    pub rule: String,
    /// A short stable word.
    pub reason: String,
    /// For what: a sentence.
    pub message: String,
    /// Until when at least, if the clock alone decides.
    pub until: Option<Time>,
}

/// Something that will happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForecastReport {
    /// The keyset.
    pub keyset: String,
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}

/// What a compromise came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Revocation {
    /// The keyset.
    pub keyset: String,
    /// The keys that are compromised now.
    pub revoked: Vec<String>,
    /// What signs now; nothing, until a key is proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_with: Option<String>,
    /// Why the key goes on signing for now: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// The document's seq with it.
    pub seq: u64,
    /// What this process made with the keys.
    pub used: Vec<KeyUse>,
    /// PromQL that tells of all processes.
    pub queries: Vec<String>,
    /// What LiveKit may still hold: sentences.
    pub remains: Vec<String>,
}

/// What one process made with a key since it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyUse {
    /// The key.
    pub key_id: String,
    /// How many tokens.
    pub tokens_issued: u64,
    /// When the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
}

impl KeyUse {
    /// Of a key whose last token was made at a second of Unix time, zero for never.
    pub fn new(key: &KeyId, tokens_issued: u64, last_used: i64) -> KeyUse {
        let last_used_at = (last_used > 0).then(|| Time::from_millis(last_used.saturating_mul(1000)));
        KeyUse { key_id: key.to_string(), tokens_issued, last_used_at }
    }
}

/// Whether a document was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Initialized {
    /// False if there was one already.
    pub created: bool,
}

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// The keyset.
    pub keyset: String,
    /// The key that signs.
    pub key_id: String,
    /// The ids that stay published without being managed, in the file's order.
    pub foreign: Vec<String>,
    /// What to know of the file: sentences.
    pub remarks: Vec<String>,
}

/// A keyset is on hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// The keyset.
    pub keyset: String,
    /// Until when.
    pub until: Time,
    /// The document's seq with it.
    pub seq: u64,
}

/// A keyset's document was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The keyset.
    pub keyset: String,
    /// The document's seq with it.
    pub seq: u64,
}

/// The store is being read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refreshed {}

/// The configuration was read anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// Always true.
    pub reloaded: bool,
    /// What changed: a sentence.
    pub message: String,
}

/// The answer to an operator's call that changes keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Accepted {
    /// A key was committed.
    Committed {
        /// The keyset.
        keyset: String,
        /// The key that takes over.
        key_id: String,
        /// From when on.
        not_before: Time,
        /// The document's seq with it.
        seq: u64,
    },
    /// It is remembered in the document and waits.
    Waiting {
        /// Always true.
        waiting: bool,
        /// For what: a sentence.
        reason: String,
    },
}
