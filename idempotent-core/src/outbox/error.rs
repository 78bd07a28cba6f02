//! Why the outbox did not do what it was asked. Why a broker did not is in `publish`.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Why the outbox did not do what it was asked.
///
/// A database's refusal is its [`source`](StdError::source), a `sqlx::Error`: with it a caller tells
/// a deadlock or a serialization failure, which are worth another transaction, from the rest.
#[derive(Debug)]
pub struct OutboxError {
    kind: OutboxErrorKind,
    message: Cow<'static, str>,
    source: Option<sqlx::Error>,
}

/// The kinds of [`OutboxError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutboxErrorKind {
    /// The message cannot be published as it is: no topic, no key, or one that is too long, or has
    /// control characters or white space at an end. The database was not asked, so the transaction is as it was.
    Invalid,
    /// The database refused, or could not be asked. A transaction in which that happened cannot
    /// commit any more.
    Database,
    /// The database did not answer in time.
    Timeout,
}

impl OutboxError {
    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: OutboxErrorKind::Invalid, message: message.into(), source: None }
    }

    pub(super) fn timeout() -> Self {
        let message = Cow::Borrowed("the database did not answer in time");
        Self { kind: OutboxErrorKind::Timeout, message, source: None }
    }

    /// What kind of error this is.
    #[must_use]
    pub const fn kind(&self) -> OutboxErrorKind {
        self.kind
    }
}

impl From<sqlx::Error> for OutboxError {
    fn from(source: sqlx::Error) -> Self {
        let message = Cow::Borrowed("the database refused or could not be asked");
        Self { kind: OutboxErrorKind::Database, message, source: Some(source) }
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for OutboxError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source as &(dyn StdError + 'static))
    }
}
