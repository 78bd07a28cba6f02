//! [`StoreError`]: why a store could not answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::model::MalformedRecord;

/// Why a store could not answer.
///
/// The request may have taken effect nevertheless: perhaps only its answer was lost.
///
/// Its text is one line that names the server, what failed and the cause, and no password:
/// `redis at 127.0.0.1:6379, database 0: the server cannot be reached: Connection refused (os error 111)`. The
/// [source](StdError::source) is for code that wants to look into the cause; its text is in that line already.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    server: Option<Box<str>>,
    tells: Tells,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What an error tells of the store itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// Nobody answered.
    Outage,
    /// It is there: it refused.
    Answer,
    /// Nothing: it was not asked.
    Nothing,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, or refuses the request.
    Unavailable,
    /// The store did not answer in time.
    Timeout,
    /// The store was not asked, because the engine's
    /// [circuit](crate::IdempotencyBuilder#the-circuit) is open: the last calls had no answer.
    CircuitOpen,
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
        let tells = match kind {
            StoreErrorKind::Unavailable | StoreErrorKind::Timeout => Tells::Outage,
            StoreErrorKind::CircuitOpen => Tells::Nothing,
            _ => Tells::Answer,
        };
        Self { kind, message: message.into(), server: None, tells, source: None }
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

    /// Names the server, or the file: its text then begins with that. An error that names one keeps it.
    ///
    /// ```
    /// use idempotent_core::store::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Timeout, "no answer within 1 s").at("etcd at 10.0.0.7:2379");
    /// assert_eq!(error.to_string(), "etcd at 10.0.0.7:2379: no answer within 1 s");
    /// ```
    #[must_use]
    pub fn at(mut self, server: impl Into<String>) -> Self {
        if self.server.is_none() {
            self.server = Some(server.into().into());
        }
        self
    }

    /// Says that the store is there all the same: it refused the request, for a missing right for instance. See
    /// [`is_outage`](Self::is_outage).
    #[must_use]
    pub const fn without_outage(mut self) -> Self {
        self.tells = Tells::Answer;
        self
    }

    /// Says that the store was not asked, so that nobody knows whether it is there: this process had no connection
    /// left, for instance, or the store was closed here. An engine's
    /// [circuit](crate::IdempotencyBuilder#the-circuit) takes it for nothing: neither for an outage nor for the answer
    /// that ends one.
    ///
    /// ```
    /// use idempotent_core::store::{StoreError, StoreErrorKind};
    ///
    /// let busy = StoreError::new(StoreErrorKind::Timeout, "every connection was in use").without_answer();
    /// assert!(!busy.is_outage() && !busy.is_answer());
    /// ```
    #[must_use]
    pub const fn without_answer(mut self) -> Self {
        self.tells = Tells::Nothing;
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// The server or the file, if the store named it.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Whether nobody answered, so that the next call is likely to wait in vain as well: these errors open an
    /// engine's [circuit](crate::IdempotencyBuilder#the-circuit). By default
    /// [`Unavailable`](StoreErrorKind::Unavailable) and [`Timeout`](StoreErrorKind::Timeout), unless the store
    /// [says otherwise](Self::without_outage).
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self.tells, Tells::Outage)
    }

    /// Whether the store answered, though it refused: then it is there. What is neither an answer nor an
    /// [outage](Self::is_outage) [was not asked](Self::without_answer).
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self.tells, Tells::Answer)
    }

    /// The same error for another caller: the cause is in its text.
    #[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
    pub(crate) fn duplicate(&self) -> Self {
        let server = self.server.clone();
        let message = Line(self).to_string().into();
        Self { kind: self.kind, message, server, tells: self.tells, source: None }
    }
}

impl From<MalformedRecord> for StoreError {
    fn from(error: MalformedRecord) -> Self {
        Self::new(StoreErrorKind::Malformed, "the record cannot be read").with_source(error)
    }
}

/// What failed and why, without the server.
struct Line<'a>(&'a StoreError);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut said = self.0.message.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = one_line(&error.to_string());
            // Many errors repeat their cause.
            if !text.is_empty() && !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            write!(f, "{server}: ")?;
        }
        Line(self).fmt(f)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_text_is_one_line_with_the_server_what_failed_and_why() {
        let cause = io::Error::other("no\n  route");
        let error = StoreError::new(StoreErrorKind::Unavailable, "nobody answers");
        let error = error.with_source(cause).at("redis at db:1").at("another");
        assert_eq!(error.to_string(), "redis at db:1: nobody answers: no route");
        assert_eq!(error.server(), Some("redis at db:1"));
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = StoreError::new(StoreErrorKind::Unavailable, "it failed: no route");
        assert_eq!(error.with_source("no route").to_string(), "it failed: no route");
    }

    #[test]
    fn only_errors_without_an_answer_are_outages() {
        use StoreErrorKind::{CircuitOpen, Conflict, Full, Malformed, Timeout, Unavailable};
        for kind in [Unavailable, Timeout] {
            assert!(StoreError::new(kind, "").is_outage(), "{kind:?}");
            assert!(!StoreError::new(kind, "").without_outage().is_outage(), "{kind:?}");
            let unasked = StoreError::new(kind, "").without_answer();
            assert!(!unasked.is_outage() && !unasked.is_answer(), "{kind:?}");
        }
        for kind in [CircuitOpen, Full, Malformed, Conflict] {
            assert!(!StoreError::new(kind, "").is_outage(), "{kind:?}");
        }
    }
}
