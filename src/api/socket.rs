//! A Unix socket that one process listens on: never stolen from a live one, never left with the wrong mode.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::atomic_file::Owner;

/// The longest path that a socket's address can hold, in bytes (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// A socket's place and rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPlace {
    /// Where.
    pub path: PathBuf,
    /// Who may connect.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
}

/// Why nobody can listen there: a sentence.
#[derive(Debug)]
pub struct CannotListen(String);

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotListen {}

/// A socket that is listened on, and its file, which goes with it.
pub struct BoundSocket {
    path: PathBuf,
    inode: (u64, u64),
    _lock: File,
}

impl SocketPlace {
    /// Listens, in place of a dead process's leftover, and with the right mode before anybody can connect.
    ///
    /// # Errors
    /// A sentence that says what is in the way.
    pub fn bind(&self) -> Result<(UnixListener, BoundSocket), CannotListen> {
        let path = &self.path;
        if path.as_os_str().len() + ".new".len() > LONGEST_PATH {
            let sentence = format!(
                "the socket's path {} has {} bytes, and a socket's address holds at most {}: choose a shorter one",
                path.display(),
                path.as_os_str().len(),
                LONGEST_PATH - ".new".len()
            );
            return Err(CannotListen(sentence));
        }
        let lock = self.lock()?;
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(self.taken());
        }
        let temporary = path.with_added_extension("new");
        let _ = fs::remove_file(&temporary);
        let listener = UnixListener::bind(&temporary).map_err(|error| self.failed("listen on", &error))?;
        let placed = self.put_in_place(&temporary);
        let inode = placed.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            self.failed("set up", &error)
        })?;
        listener.set_nonblocking(true).map_err(|error| self.failed("set up", &error))?;
        Ok((listener, BoundSocket { path: path.clone(), inode, _lock: lock }))
    }

    fn put_in_place(&self, temporary: &Path) -> io::Result<(u64, u64)> {
        if self.owner != Owner::default() {
            chown(temporary, self.owner.uid, self.owner.gid)?;
        }
        fs::set_permissions(temporary, Permissions::from_mode(self.mode))?;
        let metadata = fs::symlink_metadata(temporary)?;
        fs::rename(temporary, &self.path)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Of two processes that start at once one gets it.
    fn lock(&self) -> Result<File, CannotListen> {
        let path = self.path.with_added_extension("lock");
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = open.map_err(|error| self.failed("lock", &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(self.taken()),
            Err(error) => Err(self.failed("lock", &error.into())),
        }
    }

    fn taken(&self) -> CannotListen {
        CannotListen(format!(
            "a live process listens on {} already: stop it first, or choose another path",
            self.path.display()
        ))
    }

    fn failed(&self, verb: &str, error: &io::Error) -> CannotListen {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let hint = match error.kind() {
            io::ErrorKind::NotFound => format!("; create the folder {}", folder.display()),
            io::ErrorKind::PermissionDenied => {
                format!("; this process's user needs the right to write in {}", folder.display())
            }
            _ => String::new(),
        };
        CannotListen(format!("cannot {verb} the socket {}: {error}{hint}", self.path.display()))
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.inode);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: PathBuf) -> SocketPlace {
        SocketPlace { path, mode: 0o640, owner: Owner::default() }
    }

    #[test]
    fn a_leftover_is_replaced_and_a_live_socket_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.sock");
        drop(UnixListener::bind(&path).expect("a leftover"));
        let (_listener, bound) = place(path.clone()).bind().expect("in place of the leftover");
        assert_eq!(fs::metadata(&path).expect("the socket").mode() & 0o777, 0o640);
        let error = place(path.clone()).bind().err().expect("it is taken");
        assert!(error.to_string().contains("live process"), "{error}");
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn somebody_elses_live_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.sock");
        let _other = UnixListener::bind(&path).expect("a listener that knows no lock");
        let error = place(path).bind().err().expect("it is taken");
        assert!(error.to_string().contains("live process"), "{error}");
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = place(folder.path().join("missing/s.sock")).bind().err().expect("no folder");
        assert!(missing.to_string().contains("create the folder"), "{missing}");
        let long = place(folder.path().join("x".repeat(120))).bind().err().expect("too long");
        assert!(long.to_string().contains("choose a shorter one"), "{long}");
    }
}
