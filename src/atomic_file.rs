//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whom a file belongs to; `None` leaves it as the process makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: Option<u32>,
    /// The group's number.
    pub gid: Option<u32>,
}

/// Replaces a file in one step: a reader sees the old bytes or the new ones, also after a power cut.
///
/// # Errors
/// As the operating system has it; the old file is untouched and nothing is left beside it.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
    let temporary = beside(path)?;
    let done = write_new(&temporary, bytes, mode, owner).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // What cannot be removed is no reason to hide why the write failed.
        let _ = fs::remove_file(&temporary);
    }
    done.and_then(|()| sync_folder_of(path))
}

/// Makes what was renamed into or removed from a file's folder last.
///
/// # Errors
/// As the operating system has it.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes what killed processes left in a folder when they replaced files whose names are `wanted`. Only for a caller
/// that keeps all other writers of these files away meanwhile.
///
/// # Errors
/// As the operating system has it.
pub fn remove_leftovers(folder: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().and_then(replaced_by).is_some_and(&wanted) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Which file a temporary one was to replace.
fn replaced_by(temporary: &str) -> Option<&str> {
    let (name, id) = temporary.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(name)
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
    // One that a killed process of the same number left behind.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if owner != Owner::default() {
        std::os::unix::fs::fchown(&file, owner.uid, owner.gid)?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.yaml");
        replace(&path, b"old", 0o600, Owner::default()).expect("a first write");
        let blocked = folder.path().join("blocked");
        fs::create_dir(&blocked).expect("a folder");
        replace(&blocked, b"new", 0o600, Owner::default()).expect_err("a folder is in the way");
        assert_eq!(fs::read(&path).expect("the file"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 2);
    }

    #[test]
    fn what_killed_processes_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let names =
            ["keys.yaml", ".keys.yaml.12.tmp", ".other.yaml.7.tmp", ".keys.yaml.tmp", ".keys.yaml.lock"];
        for name in names {
            fs::write(folder.path().join(name), "x").expect("a file");
        }
        let temporary = beside(&folder.path().join("keys.yaml")).expect("a name");
        fs::write(&temporary, "x").expect("a file");
        remove_leftovers(folder.path(), |name| name == "keys.yaml").expect("removed");
        let entries = fs::read_dir(folder.path()).expect("the folder");
        let mut left: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        left.sort();
        assert_eq!(left, [".keys.yaml.lock", ".keys.yaml.tmp", ".other.yaml.7.tmp", "keys.yaml"]);
    }

    #[test]
    fn the_mode_is_what_was_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.yaml");
        replace(&path, b"a", 0o640, Owner::default()).expect("a write");
        let mode = fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
