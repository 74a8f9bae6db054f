//! `kind = "command"`: a command that brings keys to LiveKit.

use std::time::Duration;

use super::super::name::Name;
use super::super::reader::{Reader, Reported};
use super::{Placed, PublisherConfig, nodes};
use crate::publish::{NodeRestart, Program};

/// A command that publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandConfig {
    /// In status, logs, metrics, and the path of what it has published.
    pub name: String,
    /// Gets keys.yaml on standard input.
    pub publish: Program,
    /// How nodes that read what it publishes are restarted.
    pub restart: Option<NodeRestart>,
}

pub(super) fn read(mut section: Reader<'_>) -> Result<Placed, Reported> {
    let name = section.required::<Name>("name", "name what the command publishes to, like \"consul\"");
    let hint = "name the program that takes keys.yaml on its standard input, with its arguments: [\"/usr/local/bin/bring-keys\", \"--to\", \"livekit\"]";
    let publish = super::super::command::argv(&mut section, "publish", Some(hint));
    let timeout = section.or("timeout", Duration::from_secs(300));
    let restart = nodes::restart(&mut section);
    section.refuse(
        "path",
        "a command knows by itself where keys go: write kind = \"key_file\", or take this out",
    );
    section.finish();
    let (name, publish, restart) = (name?.map(|name| name.0), publish?, restart?);
    let argv = publish.map(|argv| argv.value).unwrap_or_default();
    let config = CommandConfig {
        name: name.value.clone(),
        publish: Program { argv, limit: timeout?.value },
        restart: restart.value,
    };
    Ok(Placed {
        name,
        file: None,
        restart: config.restart.is_some().then_some(restart.spot),
        config: PublisherConfig::Command(config),
    })
}
