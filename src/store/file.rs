//! A folder of files, for one machine: the same layout as in Vault, the same check-and-set.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Expected, Found, StoreError};
use crate::atomic_file::{self, Owner};

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
}

impl FileStore {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// It cannot be made, or others can read it.
    pub fn open(folder: &Path) -> Result<FileStore, StoreError> {
        let store = FileStore { folder: Arc::new(folder.to_owned()) };
        make_folder(folder).map_err(|error| store.failed("open", "", &error))?;
        let mode = fs::metadata(folder).map_err(|error| store.failed("open", "", &error))?.mode();
        if mode & 0o077 != 0 {
            return Err(StoreError::Refused {
                sentence: format!(
                    "the store's folder {} can be read by others (mode {:03o}): run `chmod 700 {}`",
                    folder.display(),
                    mode & 0o777,
                    folder.display()
                ),
            });
        }
        Ok(store)
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
        blocking(move || store.write_now(&path, &bytes, expected)).await?;
        Ok(version)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let (store, folder) = (self.clone(), folder.to_owned());
        blocking(move || store.list_now(&folder)).await
    }

    pub(super) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let (store, path) = (self.clone(), path.to_owned());
        blocking(move || {
            let _lock = store.lock()?;
            let file = store.file(&path)?;
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(store.failed("remove", &path, &error))
                }
                Err(_) => Ok(()),
                Ok(()) => {
                    atomic_file::sync_folder_of(&file).map_err(|error| store.failed("remove", &path, &error))
                }
            }
        })
        .await
    }

    fn read_now<T: DeserializeOwned>(&self, path: &str) -> Result<Found<T>, StoreError> {
        let bytes = match fs::read(self.file(path)?) {
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
        let _lock = self.lock()?;
        let current = match self.read_now::<serde::de::IgnoredAny>(path)? {
            Found::Value { version, .. } | Found::Deleted { version } => Expected::Version(version),
            Found::Absent => Expected::Absent,
        };
        if current != expected {
            return Err(StoreError::Conflict);
        }
        let file = self.file(path)?;
        let written = file.parent().map_or(Ok(()), make_folder);
        let written = written.and_then(|()| atomic_file::replace(&file, bytes, 0o600, Owner::default()));
        written.map_err(|error| self.failed("write", path, &error))
    }

    fn list_now(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(self.place(folder)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("list", folder, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| self.failed("list", folder, &error))?.file_name();
            let name = name.to_string_lossy();
            // Temporary files begin with a dot.
            names.extend(name.strip_suffix(".json").filter(|name| !name.starts_with('.')).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    fn lock(&self) -> Result<File, StoreError> {
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join(".lock"));
        let file = open.map_err(|error| self.failed("lock", "", &error))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| self.failed("lock", "", &error.into()))?;
        Ok(file)
    }

    fn file(&self, path: &str) -> Result<PathBuf, StoreError> {
        let mut place = self.place(path)?.into_os_string();
        place.push(".json");
        Ok(place.into())
    }

    /// A place below the folder, whatever the path says.
    fn place(&self, path: &str) -> Result<PathBuf, StoreError> {
        let mut place = self.folder.to_path_buf();
        for part in path.split('/') {
            if part.is_empty() || part.starts_with('.') || part.contains('\0') || part.len() > 200 {
                let sentence = format!(
                    "`{path}` is no path in a store of files: each part needs a name without a leading dot"
                );
                return Err(StoreError::Refused { sentence });
            }
            place.push(part);
        }
        Ok(place)
    }

    fn failed(&self, verb: &str, path: &str, error: &io::Error) -> StoreError {
        let sentence = |hint: &str| {
            format!("cannot {verb} {path} in the store {}: {error}; {hint}", self.folder.display())
        };
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Refused {
                sentence: sentence("the folder must belong to the user that this process runs as"),
            },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
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

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let ended = |error: tokio::task::JoinError| StoreError::Unreachable {
        sentence: format!("the file task ended: {error}"),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ended(error)))
}
