//! [`StoreError`]: why a store could not answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::model::MalformedRecord;

/// Why a store could not answer.
///
/// The request may have taken effect nevertheless: perhaps only its answer was lost.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, or refuses the request.
    Unavailable,
    /// The store did not answer in time.
    Timeout,
    /// The store has no room for another reservation.
    Full,
    /// The bytes under the id are not a record. The call is refused, because running its body would
    /// be a guess.
    Malformed,
    /// The transaction was aborted by a conflict with another one, such as a serialization failure
    /// or a deadlock: roll it back, and run all of it again.
    Conflict,
    /// The database has ended the caller's transaction by itself, for example because the disk is full, or can
    /// only roll it back. Nothing of it is kept: end it, and run all of it again once the cause is gone.
    RolledBack,
    /// The caller's transaction is not one of the store's database, or no longer the one in which
    /// the call began.
    Mismatch,
}

impl StoreError {
    /// Creates an error with a message for people: lower case, no full stop, no secrets.
    pub fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Creates the error of a store that cannot be reached, or refuses the request.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store cannot be reached or refused the request")
            .with_source(source)
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(StoreErrorKind::Timeout, "the store did not answer in time")
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<MalformedRecord> for StoreError {
    fn from(error: MalformedRecord) -> Self {
        Self::new(StoreErrorKind::Malformed, "the stored bytes are not a readable record")
            .with_source(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
