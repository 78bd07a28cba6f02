//! What the process ends with: exit codes, and the errors that lead to them.

use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use idempotent_core::outbox::OutboxError;
use idempotent_core::store::StoreError;
use idempotent_core::{Error, ErrorKind};
use serde_json::json;

/// The exit codes. The README documents them for scripts, so a code never gets another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done, or there was nothing to do.
    Done = 0,
    /// Something else failed: a file that cannot be written, for instance.
    Failed = 1,
    /// The arguments are wrong. clap ends with the same code.
    Usage = 2,
    /// There is no such record or message.
    NotFound = 3,
    /// The record has changed since it was looked at, or its state does not allow it. Nothing was changed.
    Refused = 4,
    /// The store cannot be reached, or refuses the login or the write.
    Unavailable = 5,
    /// Nobody said yes. Nothing was changed.
    Declined = 6,
    /// The record cannot be read, or is not authentic.
    Unreadable = 7,
    /// `doctor` found something, or `move` has left something.
    Findings = 8,
    /// A change was made, or may have been, and what was to say so could not be written: the audit log, or the output.
    Changed = 9,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why the command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// Empty if there is nothing to say.
    message: String,
    about: About,
}

/// What it is about, for those who must know more than its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// The store did not answer: what it was asked may have been done.
    Outage,
    /// The output could not be written.
    Output,
    Other,
}

impl Exit {
    const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Declined => "declined",
            Self::Unreadable => "unreadable",
            Self::Findings => "findings",
            Self::Changed => "changed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), about: About::Other }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The failure that an error of the library is.
    pub(crate) fn from_ref(error: &Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::Store => Exit::Unavailable,
            ErrorKind::Incompatible | ErrorKind::NotAuthentic | ErrorKind::Decode => {
                Exit::Unreadable
            }
            ErrorKind::InProgress
            | ErrorKind::Indeterminate
            | ErrorKind::Misconfigured
            | ErrorKind::Encode => Exit::Refused,
            _ => Exit::Failed,
        };
        Self::new(exit, in_plain_words(&error.to_string())).about(source_of(error))
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    fn about(mut self, error: Option<&StoreError>) -> Self {
        if error.is_some_and(StoreError::is_outage) {
            self.about = About::Outage;
        }
        self
    }

    /// Whether the store did not answer, so that nobody knows whether it did what it was asked.
    pub(crate) fn is_without_answer(&self) -> bool {
        self.about == About::Outage
    }

    /// The same failure, with what is to be known beside it.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// The failure of what came after a change, which was made all the same.
    pub(crate) fn after_a_change(self) -> Self {
        match self.about {
            About::Outage | About::Output => {
                Self::new(Exit::Changed, format!("the change was made, but then {}", self.message))
            }
            About::Other => self,
        }
    }

    /// Says it on stderr: with `--json` as a document.
    pub(crate) fn report(&self, is_json: bool) {
        if self.message.is_empty() {
            return;
        }
        if is_json {
            let document = json!({
                "kind": "error",
                "code": self.exit.code(),
                "message": self.message,
                "exit": self.exit as u8,
            });
            eprintln!("{document}");
        } else {
            eprintln!("idempotent: {}", self.message);
        }
    }
}

/// Whoever reads the output has gone, which is their right: `idempotent list | head`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self {
                about: About::Output,
                ..Self::new(Exit::Failed, format!("the output cannot be written: {error}"))
            },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from_ref(&error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Unavailable, in_plain_words(&error.to_string())).about(Some(&error))
    }
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        let mut failure = Self::new(Exit::Unavailable, in_plain_words(&error.to_string()));
        let source = error.source().and_then(|source| source.downcast_ref());
        // What the database said of it is an answer.
        if !matches!(source, Some(sqlx::Error::Database(_))) {
            failure.about = About::Outage;
        }
        failure
    }
}

/// The store's error below another one.
fn source_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a StoreError> {
    let mut errors = std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        (*error).source()
    });
    errors.find_map(|error| error.downcast_ref())
}

/// What the client of a database puts around the server's own text, and what the library says to programs. An operator has
/// no use for the line of the server's source, and is not to create what is missing.
const NOISE: [(&str, &str); 3] = [
    ("error returned from database: ", ""),
    ("error communicating with database: ", ""),
    (
        "there is no such database: create it, or name another one",
        "there is no such database: is its name right?",
    ),
];

/// An error's text without its noise.
pub(crate) fn in_plain_words(text: &str) -> String {
    let is_of_database = text.contains(NOISE[0].0);
    let mut plain = text.to_owned();
    for (noise, words) in NOISE {
        plain = plain.replace(noise, words);
    }
    let Some((before, line)) = plain.rsplit_once(" at line ").filter(|_| is_of_database) else {
        return plain;
    };
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number =
        rest.len() < line.len() && (rest.is_empty() || rest.starts_with([';', ':', ',']));
    if is_number { format!("{before}{rest}") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_servers_source_is_left_out() {
        for (text, plain) in [
            (
                "postgres: it refused: error returned from database: role \"x\" does not exist at line 768",
                "postgres: it refused: role \"x\" does not exist",
            ),
            ("error returned from database: a at line 7; b", "a; b"),
            ("error returned from database: look at line seven", "look at line seven"),
            ("invalid type at line 1 column 3", "invalid type at line 1 column 3"),
            (
                "there is no such database: create it, or name another one: error returned from database: database \"x\" does not exist at line 948",
                "there is no such database: is its name right?: database \"x\" does not exist",
            ),
        ] {
            assert_eq!(in_plain_words(text), plain);
        }
    }
}
