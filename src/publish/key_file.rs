//! LiveKit's `key_file`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use livekit_keyd_core::duration;
use livekit_keyd_core::plan::Publication;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::restart::NodeRestart;
use super::{PublishError, yaml};
use crate::atomic_file::{self, Owner};

/// How long another process may hold the lock, which takes a few milliseconds.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A key file on this machine.
#[derive(Clone, Debug)]
pub struct KeyFile {
    name: String,
    path: PathBuf,
    mode: u32,
    owner: Owner,
    restart: Option<NodeRestart>,
}

impl KeyFile {
    /// A file that LiveKit accepts has a mode without rights for others.
    pub fn new(name: String, path: PathBuf, mode: u32, owner: Owner) -> KeyFile {
        KeyFile { name, path, mode, owner, restart: None }
    }

    /// With a way to restart the nodes that read it.
    pub fn with_restart(self, restart: Option<NodeRestart>) -> KeyFile {
        KeyFile { restart, ..self }
    }

    pub(super) fn node_restart(&self) -> Option<&NodeRestart> {
        self.restart.as_ref()
    }

    /// Its name in status, logs and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn read(&self) -> Result<Publication, PublishError> {
        let text = match fs::read(&self.path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Publication::default()),
            Err(error) => return Err(self.failed("read", &error)),
        };
        let text = std::str::from_utf8(&text).map_err(|_| self.unreadable("it is no UTF-8 text"))?;
        yaml::read(text).map_err(|why| self.unreadable(&why))
    }

    pub(super) fn replace(&self, there: &Publication, wanted: &Publication) -> Result<(), PublishError> {
        let _lock = self.lock()?;
        if self.read()? != *there {
            return Err(PublishError::Changed);
        }
        let (folder, name) = (self.path.parent(), self.path.file_name().and_then(std::ffi::OsStr::to_str));
        if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
            // A process that was killed left its copy, with secrets that would outlive their keys.
            atomic_file::remove_leftovers(folder, |replaced| Some(replaced) == name)
                .map_err(|error| self.failed("tidy up beside", &error))?;
        }
        let text = yaml::write(wanted);
        atomic_file::replace(&self.path, text.as_bytes(), self.mode, self.owner)
            .map_err(|error| self.failed("write", &error))?;
        if self.read()? != *wanted {
            return Err(PublishError::Failed(format!(
                "the key file {} was written and reads otherwise: see who else writes it",
                self.path.display()
            )));
        }
        Ok(())
    }

    /// Held by whoever compares and replaces; the file itself is renamed over, so it cannot carry the lock.
    fn lock(&self) -> Result<File, PublishError> {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".lock");
        let path = self.path.with_file_name(name);
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = open.map_err(|error| self.failed("lock", &error))?;
        let until = Instant::now() + LONGEST_WAIT;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(Errno::WOULDBLOCK) if Instant::now() < until => thread::sleep(BETWEEN_TRIES),
                Err(Errno::WOULDBLOCK) => return Err(self.locked()),
                Err(error) => return Err(self.failed("lock", &error.into())),
            }
        }
    }

    fn locked(&self) -> PublishError {
        PublishError::Failed(format!(
            "the key file {} has been locked by another process for {}: see who holds the `.lock` beside it",
            self.path.display(),
            duration::format(LONGEST_WAIT)
        ))
    }

    fn failed(&self, verb: &str, error: &io::Error) -> PublishError {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "create its folder",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "give this process's user the right to write in its folder"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space; the old file is untouched"
            }
            _ => "it is tried again",
        };
        PublishError::Failed(format!("cannot {verb} the key file {}: {error}; {hint}", self.path.display()))
    }

    fn unreadable(&self, why: &str) -> PublishError {
        PublishError::Failed(format!(
            "the key file {} is not LiveKit's map of ids to secrets: {why}; mend it or move it away",
            self.path.display()
        ))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_keyd_core::key::KeyId;
    use livekit_keyd_core::secret::Secret;
    use livekit_keyd_core::time::Time;

    fn file(folder: &Path) -> KeyFile {
        KeyFile::new("keys".into(), folder.join("keys.yaml"), 0o640, Owner::default())
    }

    fn holding(id: &str) -> Publication {
        Publication {
            keys: vec![(KeyId::new(id), Secret::new("s".repeat(43)))],
            changed_at: Some(Time::from_millis(0)),
            ..Publication::default()
        }
    }

    #[test]
    fn replaced_only_as_it_was_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file(folder.path());
        let nothing = file.read().expect("no file is an empty publication");
        assert_eq!(nothing, Publication::default());
        file.replace(&nothing, &holding("APIa")).expect("written");
        assert!(matches!(file.replace(&nothing, &holding("APIb")), Err(PublishError::Changed)));
        assert_eq!(file.read().expect("readable"), holding("APIa"));
    }

    #[test]
    fn a_lock_that_nobody_releases_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file(folder.path());
        let lock = file.lock().expect("nobody has it");
        let error = file.replace(&Publication::default(), &holding("APIa")).expect_err("it is held");
        assert!(error.to_string().contains("locked by another process"), "{error}");
        drop(lock);
        file.replace(&Publication::default(), &holding("APIa")).expect("it was released");
    }

    #[test]
    fn a_missing_folder_is_said_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file(&folder.path().join("missing"));
        let error = file.replace(&Publication::default(), &holding("APIa")).expect_err("no folder");
        assert!(error.to_string().contains("create its folder"), "{error}");
    }
}
