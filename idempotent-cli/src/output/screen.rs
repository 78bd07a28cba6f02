//! A whole screen of a terminal that is painted anew, and is as it was afterwards.

use std::io::{self, IsTerminal as _, Write as _};

use super::writer::Output;
use crate::failure::Failure;

/// The other screen, without a cursor; and back.
const OPEN: &[u8] = b"\x1b[?1049h\x1b[?25l";
const CLOSE: &[u8] = b"\x1b[?25h\x1b[?1049l";
/// To the first column of the first line, and nothing below.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

const USUAL_HEIGHT: usize = 24;

/// A screen, if stdout is a terminal. It is as it was once this is closed or dropped.
pub(crate) struct Screen(bool);

impl Screen {
    /// Opens it, unless documents are printed, or nobody looks at a screen.
    pub(crate) fn open(output: &mut Output) -> Result<Self, Failure> {
        let is_open = io::stdout().is_terminal()
            && !output.is_json()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if is_open {
            output.bytes(OPEN)?;
            output.flush()?;
        }
        Ok(Self(is_open))
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.0
    }

    pub(crate) fn clear(&self, output: &mut Output) -> Result<(), Failure> {
        if self.0 { output.bytes(CLEAR) } else { Ok(()) }
    }

    /// How many lines it has.
    pub(crate) fn height(&self) -> usize {
        let lines = std::env::var("LINES").ok().and_then(|lines| lines.parse().ok());
        let size = || rustix::termios::tcgetwinsize(io::stdout()).ok();
        let lines = lines.or_else(|| size().map(|size| usize::from(size.ws_row)));
        lines.filter(|lines| *lines > 0).unwrap_or(USUAL_HEIGHT)
    }

    pub(crate) fn close(&mut self, output: &mut Output) -> Result<(), Failure> {
        if std::mem::take(&mut self.0) {
            output.bytes(CLOSE)?;
            output.flush()?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.0 {
            let mut stdout = io::stdout();
            let _ = stdout.write_all(CLOSE).and_then(|()| stdout.flush());
        }
    }
}
