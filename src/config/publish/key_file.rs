//! `kind = "key_file"`: a file on this machine.

use std::path::PathBuf;

use super::super::reader::{Context, Reader, Reported, Written};
use super::super::setting::Mode;
use super::{Placed, PublisherConfig, nodes, owner};
use crate::atomic_file::Owner;
use crate::publish::{KeyFile, NodeRestart, Publisher};

/// A `key_file` of LiveKit on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileConfig {
    /// In status, logs and metrics.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its permissions: none for others, or LiveKit does not start.
    pub mode: u32,
    /// Whom it belongs to.
    pub owner: Owner,
    /// How nodes that read it are restarted.
    pub restart: Option<NodeRestart>,
}

impl KeyFileConfig {
    /// Ready to publish with.
    pub(super) fn publisher(self) -> Publisher {
        let publisher = KeyFile::new(self.name, self.path, self.mode, self.owner);
        Publisher::KeyFile(publisher.with_restart(self.restart))
    }
}

pub(super) fn read(mut section: Reader<'_>) -> Result<Placed, Reported> {
    let context = section.context;
    let path = section.required::<PathBuf>("path", "name the file that LiveKit's `key_file` names");
    let mode = section.or("mode", Mode(0o600)).and_then(|mode| livekit_takes(context, mode));
    let owner = owner(&mut section, "owner", "group");
    let name = section.optional::<String>("name");
    let restart = nodes::restart(&mut section);
    section.refuse(
        "publish",
        "a key file is written by livekit-keyd itself: write kind = \"command\", or take this out",
    );
    section.finish();
    let path = path?.map(|path| context.resolve(&path));
    let name = name?.unwrap_or_else(|| path.clone().map(|path| path.display().to_string()));
    let restart = restart?;
    let config = KeyFileConfig {
        name: name.value.clone(),
        path: path.value.clone(),
        mode: mode?,
        owner: owner?,
        restart: restart.value,
    };
    Ok(Placed {
        name,
        file: Some(path),
        restart: config.restart.is_some().then_some(restart.spot),
        config: PublisherConfig::KeyFile(config),
    })
}

fn livekit_takes(context: &Context<'_>, mode: Written<Mode>) -> Result<u32, Reported> {
    match mode.value.0 {
        bits if bits & 0o007 != 0 => {
            let sentence = "LiveKit does not start with a key file that others may use: end the mode in 0, like \"0640\"";
            Err(context.report(&mode.spot, sentence))
        }
        bits if bits & 0o400 == 0 => {
            Err(context.report(&mode.spot, "nobody could read the file: begin with 06, like \"0640\""))
        }
        bits => Ok(bits),
    }
}
