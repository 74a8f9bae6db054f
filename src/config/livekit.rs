//! `[livekit]`: the deployment whose keys these are.

use std::time::Duration;

use toml::de::DeValue;

use super::keyset::at_least;
use super::paths::StorePath;
use super::reader::{Context, Reader, Reported, Written};
use super::setting::{Setting, one_of};
use crate::fleet::{FleetSettings, Source};

/// The deployment that the keys are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveKitConfig {
    /// Told to applications beside each token.
    pub url: Option<String>,
    /// Its path in the store.
    pub path: String,
    /// How it is known that nodes accept a key; for a signer it means nothing.
    pub proof: Proof,
}

/// How it is known that nodes accept a key, or refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nobody asks them: `publish_delay` after its publication it is taken for granted.
    Disabled,
    /// Each of them says so itself.
    Required(FleetConfig),
}

/// The nodes, and how many of them there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetConfig {
    /// Whom to ask, and how often.
    pub settings: FleetSettings,
    /// With fewer nodes than this nothing is proven; at least 1.
    pub min_nodes: usize,
    /// How long a restarted node may take.
    pub node_restart_timeout: Duration,
}

/// As it was written, with the places that other sections are compared with.
pub(super) struct Section {
    url: Option<Url>,
    pub(super) path: Written<StorePath>,
    wanted: Wanted,
    fleet: FleetConfig,
}

impl Section {
    pub(super) fn config(self) -> LiveKitConfig {
        LiveKitConfig {
            url: self.url.map(|url| url.0),
            path: self.path.value.into_string(),
            proof: match self.wanted {
                Wanted::Disabled => Proof::Disabled,
                Wanted::Required => Proof::Required(self.fleet),
            },
        }
    }

    /// Whether nodes are asked which keys they know.
    pub(super) fn asks_nodes(&self) -> bool {
        self.wanted == Wanted::Required
    }

    /// How long a restarted node may take.
    pub(super) fn node_restart_timeout(&self) -> Duration {
        self.fleet.node_restart_timeout
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_ref().map(|url| url.0.as_str())
    }
}

const BOTH_WAYS: &str = "name LiveKit's nodes, like nodes = [\"http://10.0.0.1:7880\"] or nodes = [\"dns:livekit-headless:7880\"], so that no key signs before each of them accepts it; or write proof = \"disabled\", and it is taken for granted publish_delay after a publication";

pub(super) fn read(root: &mut Reader<'_>, rotates: bool) -> Result<Section, Reported> {
    let mut section = root.table("livekit")?;
    let url = section.optional::<Url>("url");
    let path = section.or("path", StorePath::new("livekit/deployment"));
    let wanted = section.or("proof", Wanted::Required).map(|written| written.value);
    let nodes = section.list::<Node>("nodes");
    if let (true, Ok(Wanted::Required), Ok(nodes)) = (rotates, &wanted, &nodes)
        && nodes.as_ref().is_none_or(Vec::is_empty)
    {
        section.missing("nodes", BOTH_WAYS);
    }
    let nodes = nodes.map(|nodes| nodes.unwrap_or_default().into_iter().map(|node| node.value.0).collect());
    let fleet = fleet(&mut section, nodes);
    section.finish();
    Ok(Section { url: url?.map(|url| url.value), path: path?, wanted: wanted?, fleet: fleet? })
}

fn fleet(section: &mut Reader<'_>, nodes: Result<Vec<Source>, Reported>) -> Result<FleetConfig, Reported> {
    let context = section.context;
    let min_nodes = section.or("min_nodes", 1_u64);
    let interval = section.or("probe_interval", Duration::from_secs(15));
    let timeout = section.or("probe_timeout", Duration::from_secs(2));
    // LiveKit drains for up to five hours.
    let restart = section.or("node_restart_timeout", Duration::from_secs(6 * 3600));

    let min_nodes = min_nodes.and_then(|written| enough(context, &written, nodes.as_deref().unwrap_or(&[])));
    let longest = interval.as_ref().map_or(Duration::MAX, |interval| interval.value);
    let timeout = timeout.and_then(|timeout| {
        if timeout.value > longest {
            let sentence = "must not be longer than probe_interval: a node that is silent would be asked twice at a time";
            return Err(context.report(&timeout.spot, sentence));
        }
        at_least(context, Ok(timeout), Duration::from_millis(10))
    });
    let interval = at_least(context, interval, Duration::from_millis(100));
    let restart = at_least(context, restart, Duration::from_secs(1));
    Ok(FleetConfig {
        settings: FleetSettings { nodes: nodes?, probe_interval: interval?, probe_timeout: timeout? },
        min_nodes: min_nodes?,
        node_restart_timeout: restart?,
    })
}

/// A fleet that can never be large enough would never prove anything.
fn enough(context: &Context<'_>, written: &Written<u64>, nodes: &[Source]) -> Result<usize, Reported> {
    let all_counted = !nodes.is_empty() && nodes.iter().all(|node| matches!(node, Source::Node(_)));
    let mut addresses: Vec<_> = nodes.iter().map(Source::as_str).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let min_nodes = usize::try_from(written.value).unwrap_or(usize::MAX);
    if min_nodes == 0 {
        return Err(context.report(&written.spot, "must be at least 1: no node proves nothing"));
    }
    if all_counted && min_nodes > addresses.len() {
        let sentence =
            format!("is more than `nodes` has, which is {}: nothing would ever be proven", addresses.len());
        return Err(context.report(&written.spot, sentence));
    }
    Ok(min_nodes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Required,
    Disabled,
}

impl Setting for Wanted {
    fn read(value: &DeValue<'_>) -> Result<Wanted, String> {
        one_of(value, &[("required", Wanted::Required), ("disabled", Wanted::Disabled)])
    }

    fn show(&self) -> String {
        match self {
            Wanted::Required => "\"required\"",
            Wanted::Disabled => "\"disabled\"",
        }
        .to_owned()
    }
}

/// One of `nodes`.
struct Node(Source);

impl Setting for Node {
    fn read(value: &DeValue<'_>) -> Result<Node, String> {
        String::read(value)?.parse().map(Node)
    }

    fn show(&self) -> String {
        self.0.as_str().to_owned().show()
    }
}

/// Where applications reach LiveKit.
struct Url(String);

impl Setting for Url {
    fn read(value: &DeValue<'_>) -> Result<Url, String> {
        let url = String::read(value)?;
        let host =
            ["wss://", "ws://", "https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        match host {
            Some(host)
                if !host.starts_with('/') && !host.is_empty() && !url.contains(char::is_whitespace) =>
            {
                Ok(Url(url))
            }
            _ => Err(format!(
                "must be the address that applications connect to, like \"wss://livekit.example.com\"; this is `{url}`"
            )),
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}
