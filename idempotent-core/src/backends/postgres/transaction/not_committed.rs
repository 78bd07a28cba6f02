//! [`NotCommitted`]: why a transaction whose body returned `Ok` was not committed.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use sqlx::error::{DatabaseError, ErrorKind};

/// Why a transaction was not committed although its body returned `Ok`.
/// [`transact`](super::transact) returns it as a `sqlx::Error::Database`.
///
/// PostgreSQL does not say so by itself: the `COMMIT` of a transaction in which a statement has failed rolls it
/// back and succeeds.
///
/// ```
/// use idempotent_core::backends::NotCommitted;
///
/// fn is_aborted(error: &sqlx::Error) -> bool {
///     let error = error.as_database_error().and_then(|it| it.try_downcast_ref::<NotCommitted>());
///     error == Some(&NotCommitted::Aborted)
/// }
/// # assert!(!is_aborted(&sqlx::Error::RowNotFound));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotCommitted {
    /// A statement failed, and the body went on as if it had not. Nothing of the transaction is kept. Return the
    /// statement's error, so that a conflict is retried, or run the statement in a savepoint.
    Aborted,
    /// The body ended the transaction, or dropped the future of a nested `begin` halfway, at which sqlx rolls
    /// the outer transaction back. Statements after that were committed one by one.
    Ended,
    /// The body of [`transact`](super::transact) ended, and something still has its transaction, such as a task that it
    /// spawned. Nothing is kept, unless that one commits for itself.
    Kept,
}

impl fmt::Display for NotCommitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl StdError for NotCommitted {}

impl DatabaseError for NotCommitted {
    fn message(&self) -> &str {
        match self {
            Self::Aborted => {
                "the transaction was rolled back and not committed: one of its statements had failed"
            }
            Self::Kept => {
                "the transaction was not committed: the body ended, and something still has it"
            }
            Self::Ended => {
                "the transaction had ended before its commit: statements after that were committed one by one"
            }
        }
    }

    /// PostgreSQL's own: `in_failed_sql_transaction`, `no_active_sql_transaction` and `invalid_transaction_state`.
    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(match self {
            Self::Aborted => "25P02",
            Self::Ended => "25P01",
            Self::Kept => "25000",
        }))
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
