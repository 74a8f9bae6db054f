//! A file system that can be made to hang: each write into it waits in the kernel, as with a disk that does not answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// In bytes.
const SIZE: u64 = 16 << 20;

/// A mounted file system of its own, in a file. Needs root and a loop device.
pub(crate) struct FileSystem {
    mounted: PathBuf,
    _folder: TempDir,
}

impl FileSystem {
    pub(crate) fn mount() -> FileSystem {
        let folder = tempfile::tempdir().expect("a folder");
        let (image, mounted) = (folder.path().join("image"), folder.path().join("mounted"));
        std::fs::File::create(&image).and_then(|file| file.set_len(SIZE)).expect("room for a file system");
        std::fs::create_dir(&mounted).expect("a place to mount it");
        run("mkfs.ext4", &["-q".as_ref(), &image]);
        run("mount", &["-o".as_ref(), "loop".as_ref(), &image, &mounted]);
        FileSystem { mounted, _folder: folder }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }

    /// Until what is returned is dropped.
    pub(crate) fn hang(&self) -> Hanging<'_> {
        run("fsfreeze", &["--freeze".as_ref(), &self.mounted]);
        Hanging(&self.mounted)
    }
}

/// Nobody who writes there goes on, or can even be killed.
pub(crate) struct Hanging<'a>(&'a Path);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["--unfreeze".as_ref(), self.0]);
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        // Lazily: a daemon may have it open still.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted).output();
    }
}

fn run(program: &str, arguments: &[&Path]) {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
