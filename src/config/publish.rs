//! `[[publish]]`: where LiveKit reads its keys.

use std::path::PathBuf;

use toml::de::DeValue;

use super::Role;
use super::account::{self, Kind};
use super::reader::{Context, Reader, Reported, Written};
use super::setting::{Account, Mode, Setting, one_of};
use crate::atomic_file::Owner;
use crate::publish::{KeyFile, Publisher};

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
}

impl KeyFileConfig {
    /// Ready to publish with.
    pub fn publisher(&self) -> Publisher {
        Publisher::KeyFile(KeyFile::new(self.name.clone(), self.path.clone(), self.mode, self.owner))
    }
}

#[derive(Clone, Copy)]
enum PublisherKind {
    KeyFile,
    Later,
}

impl Setting for PublisherKind {
    fn read(value: &DeValue<'_>) -> Result<PublisherKind, String> {
        let known = [
            ("key_file", PublisherKind::KeyFile),
            ("kubernetes_secret", PublisherKind::Later),
            ("command", PublisherKind::Later),
        ];
        match one_of(value, &known)? {
            PublisherKind::KeyFile => Ok(PublisherKind::KeyFile),
            PublisherKind::Later => Err("this version writes key files only: write \"key_file\"".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            PublisherKind::KeyFile | PublisherKind::Later => "\"key_file\"".to_owned(),
        }
    }
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<Vec<KeyFileConfig>, Reported> {
    let context = root.context;
    let mut all: Vec<Result<Section, Reported>> = Vec::new();
    for table in root.tables("publish") {
        let section = table.and_then(key_file);
        if let Ok(section) = &section {
            check_apart(context, section, all.iter().flatten());
        }
        all.push(section);
    }
    all.into_iter().map(|section| section.map(|section| section.config)).collect()
}

struct Section {
    path: Written<PathBuf>,
    name: Written<String>,
    config: KeyFileConfig,
}

fn key_file(mut section: Reader<'_>) -> Result<Section, Reported> {
    let context = section.context;
    let kind = section.required::<PublisherKind>("kind", "write \"key_file\"");
    let path = section.required::<PathBuf>("path", "name the file that LiveKit's `key_file` names");
    let mode = section.or("mode", Mode(0o600)).and_then(|mode| livekit_takes(context, mode));
    let owner = owner(&mut section, "owner", "group");
    let name = section.optional::<String>("name");
    for later in ["restart", "nodes", "publish"] {
        section
            .refuse(later, "nodes are restarted by a later version: take this out and restart them yourself");
    }
    section.finish();
    kind?;
    let path = path?.map(|path| context.resolve(&path));
    let written_name = name?.unwrap_or_else(|| path.clone().map(|path| path.display().to_string()));
    let config = KeyFileConfig {
        name: written_name.value.clone(),
        path: path.value.clone(),
        mode: mode?,
        owner: owner?,
    };
    Ok(Section { path, name: written_name, config })
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

fn check_apart<'s>(context: &Context<'_>, section: &Section, others: impl Iterator<Item = &'s Section>) {
    for other in others {
        if other.path.value == section.path.value {
            context.report(&section.path.spot, "another [[publish]] writes this file: take one of them out");
        } else if other.name.value == section.name.value {
            context.report(&section.name.spot, "another [[publish]] has this name: choose another one");
        }
    }
}

/// A rotator without publications could never prove a key.
pub(super) fn check_role(root: &Reader<'_>, role: Role, publish: &[KeyFileConfig]) {
    if role.rotates() && publish.is_empty() {
        let hint = "a rotator publishes keys to LiveKit; add [[publish]] with kind = \"key_file\" and a path";
        root.missing("publish", hint);
    }
}

/// The owner that two keys of a section name.
pub(super) fn owner(
    section: &mut Reader<'_>,
    user: &'static str,
    group: &'static str,
) -> Result<Owner, Reported> {
    let context = section.context;
    let mut number = |name, kind| {
        let written = section.optional::<Account>(name)?;
        written.map(|written| account::number(context, kind, &written)).transpose()
    };
    let (uid, gid) = (number(user, Kind::User), number(group, Kind::Group));
    Ok(Owner { uid: uid?, gid: gid? })
}
