//! The file of audit lines: looked at before anybody is asked, and appended to line by line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::failure::{Exit, Failure};
use crate::log::AUDIT;

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct AuditLog {
    file: File,
    path: PathBuf,
}

impl AuditLog {
    /// Opens it, and creates it if it is not there, so that its owner alone may read it. One that is there keeps its rights.
    ///
    /// # Errors
    ///
    /// If lines cannot be appended. Then nothing may be changed.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        match open(&path, true) {
            Ok(file) => Ok(Self { file, path }),
            Err(error) => Err(nothing_changed(&unopened(&path, &error))),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line, and returns once it is on the disk. What another one has left half written is ended first, so that
    /// this line stands by itself.
    pub(super) fn append(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        if self.ends_within_a_line() {
            line.insert(0, '\n');
        }
        // One write each, so that lines of several processes do not mix.
        self.file.write_all(line.as_bytes())?;
        match self.file.sync_data() {
            // A pipe or a device has no disk.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }

    /// Whether the last line has no end: its disk was full, or its process died. If the file may be written only, nobody
    /// knows, and an empty line does no harm.
    fn ends_within_a_line(&mut self) -> bool {
        let Ok(metadata) = self.file.metadata() else { return true };
        if !metadata.is_file() || metadata.len() == 0 {
            return false;
        }
        let mut last = [b'\n'];
        let read = self.file.seek(SeekFrom::End(-1)).and_then(|_| self.file.read_exact(&mut last));
        if read.is_ok() && last != [b'\n'] {
            tracing::warn!(
                target: AUDIT,
                "the last line of the audit log {} is incomplete: what it was to say is lost",
                self.path.display()
            );
        }
        read.is_err() || last != [b'\n']
    }
}

/// Why no line could be appended; `None` if one could. Creates nothing.
pub(super) fn obstacle(path: &Path) -> Option<String> {
    let error = match open(path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            access(folder(path), Access::EXISTS | Access::WRITE_OK | Access::EXEC_OK)
                .err()
                .map(io::Error::from)?
        }
        opened => opened.err()?,
    };
    Some(unopened(path, &error))
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(create).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.clone().read(true).open(path) {
        // Whoever may only write it can do that.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        opened => opened,
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn unopened(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    let folder = folder(path);
    if error.kind() == io::ErrorKind::NotFound && !folder.exists() {
        return format!(
            "the audit log {shown} cannot be written: there is no folder {}",
            folder.display()
        );
    }
    format!("the audit log {shown} cannot be written: {error}")
}

/// The failure of what happens before any change.
pub(super) fn nothing_changed(why: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{why}; nothing was changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_left_half_written_is_ended_before_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        for (stands, then) in [("", "new\n"), ("old\n", "old\nnew\n"), ("old", "old\nnew\n")] {
            std::fs::write(&path, stands).expect("it is written");
            let mut log = AuditLog::open(path.clone()).expect("it opens");
            log.append("new".to_owned()).expect("it is appended");
            assert_eq!(std::fs::read_to_string(&path).expect("it is there"), then);
        }
    }

    #[test]
    fn looking_whether_a_log_could_be_written_creates_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        assert_eq!((obstacle(&path), path.exists()), (None, false));
        let missing = folder.path().join("missing/audit.jsonl");
        let says = obstacle(&missing).expect("there is no folder");
        assert!(says.ends_with(&format!("there is no folder {}/missing", folder.path().display())));
        assert!(obstacle(folder.path()).is_some(), "a folder is no file");
    }
}
