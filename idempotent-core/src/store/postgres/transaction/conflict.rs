//! What goes wrong in a transaction of the caller's, and when running it again helps.

use std::error::Error as StdError;

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::super::error::store_error;
use crate::store::{StoreError, StoreErrorKind};

/// What the schema's own trigger says.
const UNFINISHED: &str = "IDMP1";
const NO_TRANSACTION: &str = "25P01";
const NO_SAVEPOINT: &str = "3B001";
const ABORTED: &str = "25P02";

pub(super) const GONE: &str = "the body ended the transaction, or took the reservation out of it";

/// The error of a store for an error of a caller's connection.
pub(super) fn transaction_error(error: Error) -> StoreError {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let (kind, message) = match code.as_deref() {
        Some(code) if is_conflicting(code) => {
            (StoreErrorKind::Conflict, "another transaction was in the way: run this one again")
        }
        Some(UNFINISHED | NO_TRANSACTION) => {
            (StoreErrorKind::Mismatch, "no transaction has begun on this connection")
        }
        Some(NO_SAVEPOINT) => (StoreErrorKind::Mismatch, GONE),
        Some(ABORTED) => {
            (StoreErrorKind::Unavailable, "an earlier statement failed: roll the transaction back")
        }
        _ => return store_error(error),
    };
    StoreError::new(kind, message).with_source(error)
}

/// Whether an error, or one that caused it, says that the transaction lost to another one, by a
/// serialization failure or a deadlock: then it helps to roll it back and to run all of it again.
///
/// ```
/// use idempotent_core::store::{StoreError, StoreErrorKind, is_conflict};
///
/// assert!(is_conflict(&StoreError::new(StoreErrorKind::Conflict, "deadlock")));
/// assert!(!is_conflict(&sqlx::Error::RowNotFound));
/// ```
#[must_use]
pub fn is_conflict(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if says_so(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn says_so(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.kind() == StoreErrorKind::Conflict;
    }
    if let Some(Error::Database(error)) = error.downcast_ref::<Error>() {
        return error.code().is_some_and(|code| is_conflicting(&code));
    }
    // An error that shows through another one is seen without what is around it.
    error.downcast_ref::<PgDatabaseError>().is_some_and(|error| is_conflicting(error.code()))
}

fn is_conflicting(code: &str) -> bool {
    matches!(code, "40001" | "40P01")
}
