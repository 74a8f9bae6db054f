//! A Unix socket that one process listens on: never stolen from a live one, never left with the wrong mode.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use crate::atomic_file::Owner;

/// The longest path that a socket's address can hold, in bytes (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// How many connections may wait to be accepted; the kernel has a bound of its own.
const WAITING: i32 = 4096;

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
        let bytes = path.as_os_str().len();
        if bytes > LONGEST_PATH {
            let sentence = format!(
                "the socket's path {} has {bytes} bytes, and a socket's address holds at most {LONGEST_PATH}: choose a shorter one",
                path.display(),
            );
            return Err(CannotListen(sentence));
        }
        let lock = self.lock()?;
        self.make_room()?;
        let socket = new_socket().map_err(|error| self.failed("make", &error))?;
        let address = SocketAddrUnix::new(path).map_err(|error| self.failed("listen on", &error.into()))?;
        rustix::net::bind(&socket, &address).map_err(|error| self.failed("listen on", &error.into()))?;
        let inode = self.open_up(&socket).map_err(|error| {
            // What cannot be removed is no reason to hide why the set-up failed.
            let _ = fs::remove_file(path);
            self.failed("set up", &error)
        })?;
        Ok((UnixListener::from(socket), BoundSocket { path: path.clone(), inode, _lock: lock }))
    }

    /// A socket that is bound and does not listen refuses everybody, so its rights come first.
    fn open_up(&self, socket: &OwnedFd) -> io::Result<(u64, u64)> {
        if self.owner != Owner::default() {
            chown(&self.path, self.owner.uid, self.owner.gid)?;
        }
        fs::set_permissions(&self.path, Permissions::from_mode(self.mode))?;
        let metadata = fs::symlink_metadata(&self.path)?;
        rustix::net::listen(socket, WAITING)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Takes away what a dead process left, and nothing else.
    fn make_room(&self) -> Result<(), CannotListen> {
        let path = &self.path;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("look at", &error)),
            Ok(file) if !file.file_type().is_socket() => {
                let sentence = format!(
                    "{} is there and is no socket: choose another path, or remove it",
                    path.display()
                );
                return Err(CannotListen(sentence));
            }
            Ok(_) => {}
        }
        let probe = new_socket().map_err(|error| self.failed("make", &error))?;
        let connected = SocketAddrUnix::new(path).and_then(|address| rustix::net::connect(&probe, &address));
        match connected {
            Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(|error| self.failed("replace", &error)),
            // Connected, or refused for another reason than that nobody listens: a full queue, a mode.
            _ => Err(self.taken()),
        }
    }

    /// Of two processes that start at once one gets it.
    fn lock(&self) -> Result<File, CannotListen> {
        let path = self.path.with_added_extension("lock");
        let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = open.map_err(|error| self.failed("lock", &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(Errno::WOULDBLOCK) => Err(self.taken()),
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

/// One that never blocks, not even while a queue is full.
fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
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
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.yaml");
        fs::write(&path, "precious").expect("a file");
        let error = place(path.clone()).bind().err().expect("there is a file");
        assert!(error.to_string().contains("is no socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let error = place(link.clone()).bind().err().expect("there is a link");
        assert!(error.to_string().contains("is no socket"), "{error}");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    }

    #[test]
    fn a_live_socket_whose_queue_is_full_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.sock");
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket");
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).expect("an address")).expect("it is free");
        rustix::net::listen(&socket, 0).expect("it listens");
        let _waits = std::os::unix::net::UnixStream::connect(&path).expect("the only place");
        let error = place(path).bind().err().expect("it is taken");
        assert!(error.to_string().contains("live process"), "{error}");
    }

    #[test]
    fn the_longest_path_that_an_address_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let rest = LONGEST_PATH - folder.path().as_os_str().len() - 1;
        let path = folder.path().join("x".repeat(rest));
        let (_listener, _bound) = place(path.clone()).bind().expect("107 bytes fit");
        std::os::unix::net::UnixStream::connect(&path).expect("a client fits too");
        let path = folder.path().join("y".repeat(rest + 1));
        assert!(place(path).bind().is_err());
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
