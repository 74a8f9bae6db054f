//! What this user could do with files, by the kernel's word: asked instead of tried.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::publish::Program;

/// Whether files could be made and replaced in a folder.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn writable(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(format!("there is no folder {shown}: create it"));
    }
    allowed(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let user = rustix::process::geteuid().as_raw();
        format!("user {user}, as whom this runs, cannot write in {shown}: {error}; run check as the daemon's user, or give that user the right")
    })
}

/// Whether the program of a command is there and could be started.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn executable(program: &Program) -> Result<(), String> {
    let Some(name) = program.argv.first() else { return Ok(()) };
    let places: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(name)).collect()
    };
    let mut found = places.iter().filter(|place| place.is_file()).peekable();
    if found.peek().is_none() {
        return Err(format!("{program} is not there: install it, or correct its name"));
    }
    match found.any(|place| allowed(place, Access::EXEC_OK).is_ok()) {
        true => Ok(()),
        false => Err(format!("{program} may not be executed: run `chmod +x` on it")),
    }
}

fn allowed(path: &Path, access: Access) -> Result<(), rustix::io::Errno> {
    // As the user that counts when files are opened.
    accessat(CWD, path, access, AtFlags::EACCESS)
}
