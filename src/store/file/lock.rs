//! One writer at a time: among tasks by a mutex, among processes by a lock on a file.
//!
//! Writers of one process wait without a thread, so that those who hang on a lock
//! never keep readers from theirs. And nobody waits for ever: a process that was
//! stopped while it held the lock is named as what stands in the way.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The longest that another process may hold the lock; it writes a small file meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(2);

/// The lock of a folder.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    path: Arc<PathBuf>,
    turn: Arc<Mutex<()>>,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Another process holds it.
    Held,
    /// The lock's file cannot be used.
    Io(io::Error),
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    _file: File,
}

impl Lock {
    pub(super) fn of(folder: &Path) -> Lock {
        Lock { path: Arc::new(folder.join(".lock")), turn: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// This process's turn, to be had before a thread is taken to wait for other processes.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Waits for other processes.
    pub(super) fn acquire(&self) -> Result<Locked, NoLock> {
        self.acquire_within(PATIENCE)
    }

    fn acquire_within(&self, patience: Duration) -> Result<Locked, NoLock> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&*self.path);
        let file = file.map_err(NoLock::Io)?;
        let began = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Locked { _file: file }),
                Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < patience => {
                    std::thread::sleep(PAUSE);
                }
                Err(Errno::WOULDBLOCK) => return Err(NoLock::Held),
                Err(error) => return Err(NoLock::Io(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_held_for_long_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = Lock::of(folder.path());
        let held = lock.acquire().expect("a free lock");
        let brief = Duration::from_millis(20);
        assert!(matches!(lock.acquire_within(brief), Err(NoLock::Held)));
        drop(held);
        lock.acquire_within(brief).expect("free again");
    }
}
