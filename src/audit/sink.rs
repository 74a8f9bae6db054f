//! Where lines go: a file that can be rotated, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use livekit_keyd_core::audit::{Chain, Hash, Torn};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::tail;
use crate::atomic_file::{self, Owner};

/// Where lines go.
pub(super) enum Sink {
    /// A file.
    File(FileSink),
    /// Standard output.
    Stdout,
}

/// A sink as it was opened: where the chain goes on.
pub(super) struct Opened {
    pub(super) sink: Sink,
    pub(super) chain: Chain,
    pub(super) torn: Option<Torn>,
}

/// A file that only grows.
pub(super) struct FileSink {
    path: PathBuf,
    file: Arc<File>,
    /// How long it is; `None` for what is no regular file.
    length: Option<u64>,
    needs_break: bool,
}

/// What makes lines last a power cut, while others write more of them.
pub(super) struct Synced(Option<Arc<File>>);

impl Synced {
    /// Makes all last that was written until now.
    ///
    /// # Errors
    /// As the operating system has it.
    pub(super) fn now(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |file| file.sync_data())
    }
}

impl FileSink {
    /// Opens it or makes it, and finds where the chain goes on.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) fn open(path: &Path) -> Result<Opened, String> {
        let failed = |error: io::Error| {
            format!(
                "the audit trail {} cannot be opened: {error}; see to its folder and rights, or choose another path in [audit]",
                path.display()
            )
        };
        let special = fs::metadata(path).ok().map(|there| there.file_type()).filter(|kind| !kind.is_file());
        let mut options = OpenOptions::new();
        options.append(true).create(special.is_none()).mode(0o640);
        // A pipe that is opened for reading too does not make us wait for its reader.
        options.read(special.is_none_or(|kind| kind.is_fifo()));
        let file = options.open(path).map_err(failed)?;
        if special.is_some() {
            let sink =
                FileSink { path: path.to_owned(), file: Arc::new(file), length: None, needs_break: false };
            return Ok(Opened { sink: Sink::File(sink), chain: Chain::default(), torn: None });
        }
        // A file system without locks has nobody else's either.
        if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(format!(
                "the audit trail {} is being written by another process: give each its own path",
                path.display()
            ));
        }
        let end = tail::read(&file).map_err(failed)?;
        let length = Some(file.metadata().map_err(failed)?.len());
        let noted = read_head(path);
        // A head beyond the file's end: lines were cut, and the chain shows it.
        let chain = end.chain.into_iter().chain(noted).max_by_key(|chain| chain.seq).unwrap_or_default();
        let sink =
            FileSink { path: path.to_owned(), file: Arc::new(file), length, needs_break: end.needs_break };
        Ok(Opened { sink: Sink::File(sink), chain, torn: end.torn })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = match self.needs_break {
            true => (&*self.file).write_all(&[b"\n", lines].concat()),
            false => (&*self.file).write_all(lines),
        };
        if let Some(length) = &mut self.length {
            match &written {
                Ok(()) => *length += lines.len() as u64 + u64::from(self.needs_break),
                // What came to lie there is taken back: nobody was told that it is there.
                Err(_) => self.file.set_len(*length)?,
            }
        }
        self.needs_break &= written.is_err();
        written
    }
}

impl Sink {
    /// Writes whole lines, or none of them.
    ///
    /// # Errors
    /// As the operating system has it.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::File(file) => file.write(lines),
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines).and_then(|()| stdout.flush())
            }
        }
    }

    /// What must be told to make what was written last a power cut.
    pub(super) fn synced(&self) -> Synced {
        match self {
            Sink::File(FileSink { file, length: Some(_), .. }) => Synced(Some(Arc::clone(file))),
            Sink::File(_) | Sink::Stdout => Synced(None),
        }
    }

    /// How long the file is, if it is one.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Sink::File(file) => file.length,
            Sink::Stdout => None,
        }
    }

    /// Gives a full file a name of its own, by the number of its last line.
    ///
    /// # Errors
    /// As the operating system has it.
    pub(super) fn put_away(&self, last: u64) -> io::Result<()> {
        let Sink::File(FileSink { path, .. }) = self else { return Ok(()) };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{last:012}"));
        fs::rename(path, PathBuf::from(name))?;
        atomic_file::sync_folder_of(path)
    }

    /// What is to be noted beside the file of a chain that ends like this.
    pub(super) fn head(&self, chain: Chain) -> Option<Head> {
        match self {
            Sink::File(FileSink { path, length: Some(_), .. }) => Some(Head { path: path.clone(), chain }),
            Sink::File(_) | Sink::Stdout => None,
        }
    }
}

/// The last line of a file's chain, which goes on from there when the file was moved away.
pub(super) struct Head {
    path: PathBuf,
    chain: Chain,
}

impl Head {
    /// Notes it beside the file, where others may write on meanwhile.
    pub(super) fn note(&self) {
        let Head { path, chain } = self;
        let text = format!("{} {}\n", chain.seq, chain.hash);
        if let Err(error) = atomic_file::replace(&head_path(path), text.as_bytes(), 0o640, Owner::default()) {
            tracing::warn!("the audit trail's head cannot be noted beside {}: {error}", path.display());
        }
    }
}

fn head_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".head");
    PathBuf::from(name)
}

fn read_head(path: &Path) -> Option<Chain> {
    let text = fs::read_to_string(head_path(path)).ok()?;
    let (seq, hash) = text.trim().split_once(' ')?;
    Some(Chain { seq: seq.parse().ok()?, hash: Hash::parse(hash.as_bytes())? })
}
