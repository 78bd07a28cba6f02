//! Where output goes: stdout, whoever reads it, and how wide and colourful it may be.

use std::env;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use crate::args::Color;
use crate::failure::Failure;

/// Stdout.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<io::Stdout>,
    is_json: bool,
    colors: bool,
    width: Option<usize>,
}

/// How a word looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Output {
    pub(crate) fn new(is_json: bool, color: Color) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_off = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colors = match color {
            Color::Auto => is_terminal && !is_off,
            Color::Always => true,
            Color::Never => false,
        };
        let width = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = width.or_else(|| is_terminal.then(terminal_width).flatten());
        let out = BufWriter::new(io::stdout());
        Self { out, is_json, colors: colors && !is_json, width: width.filter(|width| *width > 0) }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.is_json
    }

    /// How many columns a line may have; `None` if nobody looks at it on a screen.
    pub(crate) const fn width(&self) -> Option<usize> {
        self.width
    }

    /// A word in a style, if there are any.
    pub(crate) fn styled(&self, style: Style, word: impl Display) -> String {
        let code = match style {
            _ if !self.colors => return word.to_string(),
            Style::Plain => return word.to_string(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Green => "32",
            Style::Yellow => "33",
            Style::Red => "31",
        };
        format!("\x1b[{code}m{word}\x1b[0m")
    }

    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Hands on what was printed. A stream is flushed after each page, so that it can be watched.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }
}

fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
