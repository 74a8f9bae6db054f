//! `[store]`: where documents lie.

use std::path::PathBuf;

use toml::de::DeValue;

use super::reader::{Reader, Reported};
use super::setting::{Setting, one_of};
use super::vault;
use crate::store::vault::VaultConfig;

/// Where documents lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// A folder of files on this machine.
    File {
        /// The folder.
        folder: PathBuf,
    },
    /// A Vault or OpenBao server.
    Vault(Box<VaultConfig>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Vault,
}

impl Setting for Kind {
    fn read(value: &DeValue<'_>) -> Result<Kind, String> {
        one_of(value, &[("vault", Kind::Vault), ("file", Kind::File)])
    }

    fn show(&self) -> String {
        match self {
            Kind::File => "\"file\"",
            Kind::Vault => "\"vault\"",
        }
        .to_owned()
    }
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<StoreConfig, Reported> {
    let mut section = root.table("store")?;
    let kind = section.required::<Kind>("kind", "write \"vault\" or \"file\"")?.value;
    let store = match kind {
        Kind::File => file(&mut section),
        Kind::Vault => vault::read(&mut section).map(|vault| StoreConfig::Vault(Box::new(vault))),
    };
    match kind {
        Kind::File => {
            section.refuse("vault", "is not used with kind = \"file\": take it out, or change the kind")
        }
        Kind::Vault => {
            section.refuse("file", "is not used with kind = \"vault\": take it out, or change the kind")
        }
    }
    section.finish();
    store
}

fn file(section: &mut Reader<'_>) -> Result<StoreConfig, Reported> {
    let mut file = section.table("file")?;
    let folder = file.required::<PathBuf>("dir", "name the folder, like \"/var/lib/livekit-keyd/store\"");
    let context = file.context;
    file.finish();
    Ok(StoreConfig::File { folder: context.resolve(&folder?.value) })
}
