//! Watermarks on disk, so that a restart does not make a process believe an old store.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use livekit_keyd_core::watermark::Watermark;

use crate::atomic_file::{self, Owner};

/// A folder with one small file per keyset; no secrets in it.
#[derive(Clone, Debug)]
pub struct Marks(PathBuf);

impl Marks {
    /// In this folder, made with the first mark.
    pub fn new(folder: PathBuf) -> Marks {
        Marks(folder)
    }

    fn file(&self, keyset: &str) -> PathBuf {
        self.0.join(format!("{keyset}.watermark.json"))
    }

    /// The mark of an earlier life, if one can be read.
    pub fn load(&self, keyset: &str) -> Option<Watermark> {
        let file = self.file(keyset);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return forgotten(&file, &error),
        };
        serde_json::from_slice(&text).map_or_else(|error| forgotten(&file, &error), Some)
    }

    /// Keeps a mark; one that cannot be kept is no reason to stop.
    pub fn save(&self, keyset: &str, mark: &Watermark) {
        let Ok(text) = serde_json::to_vec(mark) else { return };
        let file = self.file(keyset);
        let folder = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        if let Err(error) = folder.and_then(|()| atomic_file::replace(&file, &text, 0o600, Owner::default()))
        {
            tracing::warn!(keyset, "the watermark {} could not be written: {error}", file.display());
        }
    }
}

fn forgotten(file: &Path, error: &dyn std::fmt::Display) -> Option<Watermark> {
    tracing::warn!(
        "the watermark {} cannot be read ({error}): until the next read this process would believe an old store",
        file.display()
    );
    None
}
