//! A folder of files, for one machine: the same layout as in Vault, the same check-and-set.

mod lock;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Expected, Found, StoreError};
use crate::atomic_file::{self, Owner};
use lock::{Lock, Locked, NoLock};

/// What a file holds beside the value.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u64,
    data: T,
}

/// A folder that only its owner can read.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: Arc<PathBuf>,
    lock: Lock,
}

impl FileStore {
    /// Opens a folder, or makes it. Half-written files of processes that were killed are removed: they hold secrets.
    ///
    /// # Errors
    /// It cannot be made, belongs to somebody else, or others can read it.
    pub fn open(folder: &Path) -> Result<FileStore, StoreError> {
        let store = FileStore { folder: Arc::new(folder.to_owned()), lock: Lock::of(folder) };
        make_folder(folder).map_err(|error| store.failed("open", "", &error))?;
        store.check_access()?;
        let _locked = store.lock()?;
        remove_all_leftovers(folder).map_err(|error| store.failed("tidy up", "", &error))?;
        Ok(store)
    }

    /// A folder as it is: it is not made, and nothing is tidied up.
    ///
    /// # Errors
    /// It is not there, belongs to somebody else, or others can read it.
    pub fn existing(folder: &Path) -> Result<FileStore, StoreError> {
        let store = FileStore { folder: Arc::new(folder.to_owned()), lock: Lock::of(folder) };
        store.check_access()?;
        Ok(store)
    }

    fn check_access(&self) -> Result<(), StoreError> {
        let shown = self.folder.display();
        let metadata = fs::metadata(&*self.folder).map_err(|error| self.failed("open", "", &error))?;
        let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != own {
            return Err(StoreError::Refused {
                sentence: format!(
                    "the store's folder {shown} belongs to the user with number {owner}, who can read it, and this process runs as {own}: run it as that user, or run `chown -R {own} {shown}`"
                ),
            });
        }
        let mode = metadata.mode();
        if mode & 0o077 != 0 {
            return Err(StoreError::Refused {
                sentence: format!(
                    "the store's folder {shown} can be read by others (mode {:03o}): run `chmod 700 {shown}`",
                    mode & 0o777,
                ),
            });
        }
        Ok(())
    }

    pub(super) async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<Found<T>, StoreError> {
        let (store, path) = (self.clone(), path.to_owned());
        blocking(move || store.read_now(&path)).await
    }

    pub(super) async fn write<T: Serialize>(
        &self,
        path: &str,
        value: &T,
        expected: Expected,
    ) -> Result<u64, StoreError> {
        let version = match expected {
            Expected::Absent => 1,
            Expected::Version(version) => version.saturating_add(1),
        };
        let bytes = serde_json::to_vec_pretty(&Envelope { version, data: value });
        let bytes = Zeroizing::new(bytes.map_err(|error| self.malformed(path, &error.to_string()))?);
        let (store, path) = (self.clone(), path.to_owned());
        let turn = self.lock.turn().await;
        blocking(move || {
            // Kept to the end, even if the caller goes away before it.
            let _turn = turn;
            store.write_now(&path, &bytes, expected)
        })
        .await?;
        Ok(version)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let (store, folder) = (self.clone(), folder.to_owned());
        blocking(move || store.list_now(&folder)).await
    }

    pub(super) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let (store, path) = (self.clone(), path.to_owned());
        let turn = self.lock.turn().await;
        blocking(move || {
            let _turn = turn;
            store.remove_now(&path)
        })
        .await
    }

    fn read_now<T: DeserializeOwned>(&self, path: &str) -> Result<Found<T>, StoreError> {
        let bytes = match fs::read(self.file(path)) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
            Err(error) => return Err(self.failed("read", path, &error)),
        };
        let envelope: Envelope<T> = serde_json::from_slice(&bytes).map_err(|error| {
            // Its words may quote what was read; its place says enough.
            self.malformed(path, &format!("line {}, column {}", error.line(), error.column()))
        })?;
        Ok(Found::Value { version: envelope.version, value: envelope.data })
    }

    fn write_now(&self, path: &str, bytes: &[u8], expected: Expected) -> Result<(), StoreError> {
        let _locked = self.lock()?;
        let current = match self.read_now::<serde::de::IgnoredAny>(path)? {
            Found::Value { version, .. } | Found::Deleted { version } => Expected::Version(version),
            Found::Absent => Expected::Absent,
        };
        if current != expected {
            return Err(StoreError::Conflict);
        }
        let file = self.file(path);
        let written = self.make_way(&file);
        let written = written.and_then(|()| atomic_file::replace(&file, bytes, 0o600, Owner::default()));
        written.map_err(|error| self.failed("write", path, &error))
    }

    /// The file's folder, without what killed processes left there.
    fn make_way(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(&self.folder);
        make_folder(folder)?;
        atomic_file::remove_leftovers(folder, |_| true)
    }

    fn remove_now(&self, path: &str) -> Result<(), StoreError> {
        let _locked = self.lock()?;
        let file = self.file(path);
        let removed = match fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed.and_then(|()| self.make_way(&file)),
        };
        removed
            .and_then(|()| atomic_file::sync_folder_of(&file))
            .map_err(|error| self.failed("remove", path, &error))
    }

    fn list_now(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(self.folder.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("list", folder, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| self.failed("list", folder, &error))?.file_name();
            let name = name.to_string_lossy();
            names.extend(name.strip_suffix(".json").map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    fn lock(&self) -> Result<Locked, StoreError> {
        self.lock.acquire().map_err(|error| match error {
            NoLock::Io(error) => self.failed("lock", "", &error),
            NoLock::Held => StoreError::Unreachable {
                sentence: format!(
                    "another process has held {0} for long: `fuser {0}` names it; end it if it hangs",
                    self.lock.path().display()
                ),
            },
        })
    }

    /// Below the folder, as a sound path is.
    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(format!("{path}.json"))
    }

    fn failed(&self, verb: &str, path: &str, error: &io::Error) -> StoreError {
        let sentence = |hint: &str| {
            let what = if path.is_empty() { "the store" } else { path };
            let place = if path.is_empty() { "" } else { "in the store " };
            format!("cannot {verb} {what} {place}{}: {error}; {hint}", self.folder.display())
        };
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Refused {
                sentence: sentence("the folder must belong to the user that this process runs as"),
            },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreError::Unreachable { sentence: sentence("free some space; what was there is untouched") }
            }
            _ => StoreError::Unreachable { sentence: sentence("it is tried again") },
        }
    }

    fn malformed(&self, path: &str, what: &str) -> StoreError {
        StoreError::Malformed {
            sentence: format!(
                "what lies at {path} in the store {} is not what livekit-keyd writes there ({what}): put a copy of it back",
                self.folder.display()
            ),
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Folders within folders, none of them a link: what lies elsewhere is not ours.
fn remove_all_leftovers(folder: &Path) -> io::Result<()> {
    atomic_file::remove_leftovers(folder, |_| true)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_all_leftovers(&entry.path())?;
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let ended = |error: tokio::task::JoinError| StoreError::Unreachable {
        sentence: format!("the file task ended: {error}"),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ended(error)))
}
