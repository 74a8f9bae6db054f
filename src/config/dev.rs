//! The configuration of `livekit-keyd dev`: everything on one machine, for a look around.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use livekit_keyd_core::duration;

/// What `dev` lets be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dev {
    /// The only caller: whoever started it.
    pub uid: u32,
    /// The rules' number: higher at each start, so that they apply to a folder that is used again.
    pub revision: u64,
    /// Rotates so often by itself; on command only if left out.
    pub rotate_every: Option<Duration>,
    /// Where metrics are served; the usual place if left out.
    pub metrics: Option<SocketAddr>,
    /// The livekit-server that is asked whether it accepts a key, by its address; none is if left out.
    pub livekit: Option<String>,
    /// What a shell restarts it with.
    pub restart: Option<String>,
}

/// A rotation more often than this leaves no time for the life of a token.
pub const SHORTEST_PERIOD: Duration = Duration::from_secs(5);

/// Why such a configuration cannot be: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooOften(Duration);

impl fmt::Display for TooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (period, shortest) = (duration::format(self.0), duration::format(SHORTEST_PERIOD));
        write!(
            f,
            "a rotation every {period} leaves no time for the life of a token: choose {shortest} or more"
        )
    }
}

impl std::error::Error for TooOften {}

/// The durations of a rotation, scaled down to fit into its period.
struct Pace {
    overlap: Duration,
    max_token_ttl: Duration,
    activation_lead: Duration,
    clock_skew: Duration,
    refresh_interval: Duration,
}

impl Pace {
    /// Of a keyset that rotates on command.
    const CALM: Pace = Pace {
        overlap: Duration::from_secs(24 * 3600),
        max_token_ttl: Duration::from_secs(3600),
        activation_lead: Duration::from_secs(2),
        clock_skew: Duration::from_secs(1),
        refresh_interval: Duration::from_secs(5),
    };

    /// Three fifths of the period are overlap; what surrounds it takes at most a quarter, and the rest is time
    /// to be looked at.
    fn every(period: Duration) -> Pace {
        let clock_skew = Pace::CALM.clock_skew.min(period / 20);
        let refresh_interval = Pace::CALM.refresh_interval.min(period / 20);
        let overlap = Pace::CALM.overlap.min(period * 3 / 5);
        let token = overlap.saturating_sub(refresh_interval * 2 + clock_skew);
        Pace {
            overlap,
            max_token_ttl: Pace::CALM.max_token_ttl.min(token),
            activation_lead: Pace::CALM.activation_lead.min(period / 10),
            clock_skew,
            refresh_interval,
        }
    }
}

impl Dev {
    /// The text of `keyd.toml`. Its paths are relative, so the folder may move.
    ///
    /// # Errors
    /// A period that leaves no time for the life of a token.
    pub fn text(&self) -> Result<String, TooOften> {
        let (pace, period) = match self.rotate_every {
            Some(period) if period < SHORTEST_PERIOD => return Err(TooOften(period)),
            Some(period) => {
                (Pace::every(period), format!("rotation_period = \"{}\"\n", duration::format(period)))
            }
            None => (Pace::CALM, String::new()),
        };
        let metrics = self.metrics.map(|address| format!("\n[metrics]\nlisten = \"{address}\"\n"));
        let (proof, restart) = (self.proof(), self.restart());
        let (uid, revision, metrics) = (self.uid, self.revision, metrics.unwrap_or_default());
        let [overlap, max_token_ttl, activation_lead, clock_skew, refresh_interval] =
            [pace.overlap, pace.max_token_ttl, pace.activation_lead, pace.clock_skew, pace.refresh_interval]
                .map(duration::format);
        Ok(format!(
            r#"# Written by `livekit-keyd dev`, and written anew at its next start: for a look around, not for others.
# `livekit-keyd run --config` takes it as well. Paths start at this file's folder.
role = "both"
config_revision = {revision}
state_dir = "state"

[livekit]
{proof}

[store]
kind = "file"
file.dir = "store"

[[keyset]]
name = "default"
{period}overlap = "{overlap}"
max_token_ttl = "{max_token_ttl}"
activation_lead = "{activation_lead}"
publish_delay = "0s"
clock_skew = "{clock_skew}"
refresh_interval = "{refresh_interval}"

# Start livekit-server with `key_file:` naming this file.
[[publish]]
kind = "key_file"
path = "keys.yaml"
{restart}
[sign]
socket = "sign.sock"
socket_mode = "0600"

[admin]
socket = "admin.sock"
{metrics}
# Whoever started it may sign anything.
[[caller]]
name = "dev"
uid = {uid}
allowed_rooms = ["*"]
allowed_identities = ["*"]
allowed_grants = ["*"]
"#
        ))
    }
    fn proof(&self) -> String {
        match &self.livekit {
            Some(node) => {
                format!("nodes = [{}]\nprobe_interval = \"1s\"\nprobe_timeout = \"1s\"", quoted(node))
            }
            None => "# LiveKit is not asked whether it accepts a key.\nproof = \"disabled\"".to_owned(),
        }
    }

    fn restart(&self) -> String {
        let restart = |command: &String| format!("restart = [\"sh\", \"-c\", {}]\n", quoted(command));
        self.restart.as_ref().map(restart).unwrap_or_default()
    }
}

/// As TOML takes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
