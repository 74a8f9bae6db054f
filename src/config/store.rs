//! `[store]`: where documents lie.

use std::path::PathBuf;

use toml::de::DeValue;

use super::reader::{Reader, Reported};
use super::setting::{Setting, one_of};

/// Where documents lie.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreConfig {
    /// A folder of files on this machine.
    File {
        /// The folder.
        folder: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
}

impl Setting for Kind {
    fn read(value: &DeValue<'_>) -> Result<Kind, String> {
        one_of(value, &[("file", Kind::File)])
    }

    fn show(&self) -> String {
        match self {
            Kind::File => "\"file\"".to_owned(),
        }
    }
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<StoreConfig, Reported> {
    let mut section = root.table("store")?;
    let kind = section.required::<Kind>("kind", "write \"file\"");
    let store = match kind.map(|kind| kind.value) {
        Ok(Kind::File) => file(&mut section),
        Err(reported) => return Err(reported),
    };
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
