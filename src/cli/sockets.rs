//! Which daemon a command talks to.
//!
//! An option or its variable decides; then the configuration, if one is named.
//! Otherwise a folder that `livekit-keyd dev` made in the current one is taken
//! before the system's: who stands beside it means it, and a command meant for
//! production that reaches a toy harms nobody. A folder of somebody else's is
//! passed over, since whoever owns a socket hears what is said to it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::client::SocketKind;

/// Where a packaged daemon listens.
pub const SYSTEM_FOLDER: &str = "/run/livekit-keyd";
/// Where `dev` puts everything, in the folder it is started in.
pub const DEV_FOLDER: &str = "livekit-keyd-dev";

/// A socket, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Whether nobody named it: it belongs to the `dev` folder beside.
    pub by_chance: bool,
}

/// Finds a socket for a user who stands in a folder.
pub fn find(kind: SocketKind, named: Option<&Path>, here: &Path, uid: u32) -> Found {
    if let Some(path) = named {
        return Found { path: path.to_owned(), by_chance: false };
    }
    let folder = here.join(DEV_FOLDER);
    let owned = |path: &Path| path.symlink_metadata().is_ok_and(|file| file.uid() == uid);
    if owned(&folder) && owned(&folder.join(kind.file_name())) {
        // Relative, as a socket's path may have 107 bytes only.
        return Found { path: Path::new(DEV_FOLDER).join(kind.file_name()), by_chance: true };
    }
    Found { path: Path::new(SYSTEM_FOLDER).join(kind.file_name()), by_chance: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_wins_then_ones_own_dev_folder_then_the_system() {
        let here = tempfile::tempdir().expect("a folder");
        let uid = rustix::process::getuid().as_raw();
        let found =
            |named: Option<&str>, uid| find(SocketKind::Admin, named.map(Path::new), here.path(), uid);
        assert_eq!(found(None, uid).path, Path::new("/run/livekit-keyd/admin.sock"));

        let folder = here.path().join(DEV_FOLDER);
        std::fs::create_dir(&folder).expect("a folder");
        assert!(!found(None, uid).by_chance, "a folder without a socket is no daemon");
        std::fs::write(folder.join("admin.sock"), "").expect("a file");
        let by_chance = found(None, uid);
        assert!(by_chance.by_chance && by_chance.path.ends_with("livekit-keyd-dev/admin.sock"));
        assert_eq!(found(Some("/elsewhere"), uid).path, Path::new("/elsewhere"));
        assert!(!found(None, uid + 1).by_chance, "another user's folder is passed over");
    }
}
