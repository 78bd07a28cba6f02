//! Errors of the outbox. Those of a broker are in `broker`.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// An error of the outbox. Its text is one line that names the server, if there is one, and the cause.
///
/// An error of the database is its [`source`](StdError::source), a `sqlx::Error`.
/// [`is_conflict`](crate::backends::is_conflict) says whether retrying the transaction helps.
#[derive(Debug)]
pub struct OutboxError {
    kind: OutboxErrorKind,
    message: Cow<'static, str>,
    server: Option<Box<str>>,
    source: Option<sqlx::Error>,
}

/// The kinds of [`OutboxError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutboxErrorKind {
    /// The message is invalid: its topic or key is missing, too long, contains control characters, or begins
    /// or ends with white space; or one of its headers is invalid or [reserved](super::Draft::header). Nothing
    /// was sent to the database, so the transaction can go on.
    Invalid,
    /// The database returned an error, or could not be reached. The transaction cannot commit any more.
    Database,
    /// The database did not answer in time.
    Timeout,
}

impl OutboxError {
    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: OutboxErrorKind::Invalid, message: message.into(), server: None, source: None }
    }

    pub(super) fn timeout() -> Self {
        let message = Cow::Borrowed("the database did not answer in time");
        Self { kind: OutboxErrorKind::Timeout, message, server: None, source: None }
    }

    /// Names the server, unless nothing was asked of it.
    pub(super) fn at(mut self, server: &str) -> Self {
        if self.kind != OutboxErrorKind::Invalid && self.server.is_none() {
            self.server = Some(server.into());
        }
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub const fn kind(&self) -> OutboxErrorKind {
        self.kind
    }
}

impl From<sqlx::Error> for OutboxError {
    fn from(source: sqlx::Error) -> Self {
        let message =
            Cow::Borrowed("the database of the outbox returned an error or could not be reached");
        Self { kind: OutboxErrorKind::Database, message, server: None, source: Some(source) }
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            write!(f, "{server}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for OutboxError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn StdError + 'static))
    }
}
