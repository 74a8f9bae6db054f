//! `[livekit]`: the deployment whose keys these are.

use std::time::Duration;

use toml::de::DeValue;

use super::paths::StorePath;
use super::reader::{Reader, Reported, Written};
use super::setting::{Setting, one_of};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nobody asks them: `publish_delay` after its publication it is taken for granted.
    Disabled,
}

/// As it was written, with the places that other sections are compared with.
pub(super) struct Section {
    url: Option<Url>,
    pub(super) path: Written<StorePath>,
    proof: Proof,
}

impl Section {
    pub(super) fn config(self) -> LiveKitConfig {
        LiveKitConfig {
            url: self.url.map(|url| url.0),
            path: self.path.value.into_string(),
            proof: self.proof,
        }
    }

    /// Whether nodes are asked which keys they know.
    pub(super) fn asks_nodes(&self) -> bool {
        !matches!(self.proof, Proof::Disabled)
    }

    /// How long a restarted node may take: LiveKit drains for up to five hours.
    pub(super) fn node_restart_timeout(&self) -> Duration {
        Duration::from_secs(6 * 3600)
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_ref().map(|url| url.0.as_str())
    }
}

const ONLY_DISABLED: &str =
    "this version cannot ask the nodes yet whether they accept a key: write proof = \"disabled\"";

pub(super) fn read(root: &mut Reader<'_>, rotates: bool) -> Result<Section, Reported> {
    let mut section = root.table("livekit")?;
    let url = section.optional::<Url>("url");
    let path = section.or("path", StorePath::new("livekit/deployment"));
    let proof = if rotates {
        section.required::<Proof>("proof", ONLY_DISABLED)
    } else {
        section.or("proof", Proof::Disabled)
    };
    for name in ["nodes", "min_nodes", "probe_interval", "probe_timeout", "node_restart_timeout"] {
        section.refuse(name, "nodes are watched by a later version: take this out");
    }
    section.finish();
    Ok(Section { url: url?.map(|url| url.value), path: path?, proof: proof?.value })
}

impl Setting for Proof {
    fn read(value: &DeValue<'_>) -> Result<Proof, String> {
        match one_of(value, &[("disabled", Some(Proof::Disabled)), ("required", None)])? {
            Some(proof) => Ok(proof),
            None => Err(ONLY_DISABLED.to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Proof::Disabled => "\"disabled\"".to_owned(),
        }
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
