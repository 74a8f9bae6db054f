//! What a keyset's operators decided about it, kept in the document so that every replica goes by the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::duration;
use crate::schedule::{Schedule, ScheduleError};

/// What a signer does that cannot reach the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Offline {
    /// Sign while the lease lasts, with shrinking ttl.
    #[default]
    Sign,
    /// Refuse once three refreshes in a row were missed.
    Refuse,
}

/// When keys change by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// At the firings of a five-field cron expression, in a time zone of the IANA database.
    Schedule {
        /// Five fields, as crontab(5) has them.
        cron: String,
        /// Like `Europe/Berlin`.
        timezone: String,
    },
    /// So long after the last rotation.
    Period(#[serde(with = "duration")] Duration),
    /// On an operator's word only.
    Manual,
}

impl Rotation {
    /// Ready to compute firings with.
    ///
    /// # Errors
    /// What is wrong with the expression, the time zone or the period.
    pub fn schedule(&self) -> Result<Schedule, ScheduleError> {
        match self {
            Rotation::Schedule { cron, timezone } => Schedule::cron(cron, timezone),
            Rotation::Period(period) => Schedule::period(*period),
            Rotation::Manual => Ok(Schedule::Manual),
        }
    }
}

/// A keyset's rules. A higher `config_revision` replaces them whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// The longest life of any token.
    #[serde(with = "duration")]
    pub max_token_ttl: Duration,
    /// How far any two clocks may differ: signers', rotators', nodes', and the store's.
    #[serde(with = "duration")]
    pub clock_skew: Duration,
    /// How often a signer reads the document.
    #[serde(with = "duration")]
    pub refresh_interval: Duration,
    /// What a signer does without the store.
    #[serde(default)]
    pub offline: Offline,
    /// Told to applications beside each token: where they find LiveKit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// When keys change by themselves.
    pub rotation: Rotation,
    /// How long after its firing a rotation may still be made up for.
    #[serde(with = "duration")]
    pub rotation_window: Duration,
    /// How long a succeeded key stays valid for tokens that were signed with it.
    #[serde(with = "duration")]
    pub overlap: Duration,
    /// How long ahead of its firing a successor is committed.
    #[serde(with = "duration")]
    pub activation_lead: Duration,
    /// Without proof: how long after its publication a change counts as known to every node.
    #[serde(with = "duration")]
    pub publish_delay: Duration,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The most that clocks may be allowed to differ: LiveKit's own leeway on `nbf` and `exp`.
pub const LONGEST_CLOCK_SKEW: Duration = Duration::from_secs(60);

impl Rules {
    /// The shortest overlap with which a healthy signer never has to shorten a token.
    pub fn shortest_overlap(&self) -> Duration {
        self.max_token_ttl
            .saturating_add(self.refresh_interval.saturating_mul(2))
            .saturating_add(self.clock_skew)
    }

    /// The closest that firings may lie, so that one rotation ends before the next begins.
    pub fn shortest_rotation(&self, proven: bool) -> Duration {
        let delay = if proven { Duration::ZERO } else { self.time_to_settle() };
        self.activation_lead
            .saturating_add(self.overlap)
            .saturating_add(self.clock_skew.saturating_mul(2))
            .saturating_add(delay)
    }

    /// Without proof: how long after a publication's date a change in it counts as known. The clock that dated it may
    /// be slow by the skew; nodes that know at once need no clock.
    pub fn time_to_settle(&self) -> Duration {
        if self.publish_delay.is_zero() {
            Duration::ZERO
        } else {
            self.publish_delay.saturating_add(self.clock_skew)
        }
    }

    /// How old the last read may be before a signer with `offline = refuse` stops.
    pub fn longest_silence(&self) -> Duration {
        self.refresh_interval.saturating_mul(3)
    }
}
