//! Creating the database's file so that only its owner can read it.
//!
//! `SQLite` itself creates files that everybody may read, within the process's umask. The log, the shared
//! memory and the journal beside it get the permissions of the database.

use std::path::{Path, PathBuf};

/// Symbolic links that are followed, so that a circle ends.
#[cfg(unix)]
const MAX_LINKS: usize = 8;

/// Creates the file, with the permissions 0600, if there is none. A file that is there keeps its own, and is
/// not opened: to close it would release the locks that this process has on it. If this fails, `SQLite` says
/// why when it opens the file.
#[cfg(unix)]
pub(super) fn create(path: &Path) {
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut path: PathBuf = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = path.read_link() else { break };
        // A relative target is relative to the link's folder.
        path = path.parent().map_or(target.clone(), |folder| folder.join(&target));
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    drop(created);
}

/// Elsewhere a file has the permissions of its folder.
#[cfg(not(unix))]
pub(super) fn create(_path: &Path) {}
