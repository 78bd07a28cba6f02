//! Why a store could not answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::record::MalformedRecord;

/// Why a store could not answer.
///
/// A call that failed may still have taken effect in the store: its answer may be what was lost.
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
    /// It cannot be reached, or refuses.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// It has no room for another reservation.
    Full,
    /// It holds bytes under the id that are not a record. Nothing runs on such a doubt.
    Malformed,
    /// The transaction that it was asked within lost to another one, as by a serialization failure
    /// or a deadlock: roll it back, and run all of it again.
    Conflict,
    /// It was asked within something that is no transaction of its own database, or no longer the one
    /// that it began in.
    Mismatch,
}

impl StoreError {
    /// An error of a kind, with a message for people: lower case, no full stop, no secrets.
    pub fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The store cannot be reached, or refuses.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store is unavailable").with_source(source)
    }

    /// The same error with the error that caused it.
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
        Self::new(StoreErrorKind::Malformed, "the store holds no readable record")
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
