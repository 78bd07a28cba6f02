//! How far a scan has come, in a line of the terminal that is painted over and over, and removed at its end.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};

use rustix::fs::FileType;

/// A line on stderr, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    is_shown: bool,
}

impl Progress {
    /// Of a command that prints once it is done. Behind a pipe there is none: its reader may have the screen.
    pub(crate) fn until_the_end(is_json: bool) -> Self {
        let reader_has_screen = !io::stdout().is_terminal() && !stdout_is_file();
        Self { is_shown: io::stderr().is_terminal() && !is_json && !reader_has_screen }
    }

    /// Of a command that prints as it goes: on the terminal itself that is the progress.
    pub(crate) fn beside_a_file() -> Self {
        Self { is_shown: io::stderr().is_terminal() && stdout_is_file() }
    }

    pub(crate) fn say(self, text: impl Display) {
        if self.is_shown {
            eprint!("\r{text} ");
        }
    }

    pub(crate) fn clear(self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn stdout_is_file() -> bool {
    let status = rustix::fs::fstat(io::stdout());
    status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
}
