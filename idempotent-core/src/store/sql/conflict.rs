//! Whether running a whole transaction again helps.

use std::error::Error as StdError;

use sqlx::Error;
use sqlx::error::DatabaseError;

#[cfg(feature = "postgres")]
use crate::store::postgres;
#[cfg(feature = "sqlite")]
use crate::store::sqlite;
use crate::store::{StoreError, StoreErrorKind};

/// Whether an error, or one that caused it, says that the transaction lost to another one: then it
/// helps to roll it back and to run all of it again. PostgreSQL says so by a serialization failure or
/// a deadlock, `SQLite` where another connection writes, or wrote after the transaction read.
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
        return is_conflicting(&**error);
    }
    // An error that shows through another one is seen without what is around it.
    #[cfg(feature = "postgres")]
    if let Some(error) = error.downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return is_conflicting(error);
    }
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.downcast_ref::<sqlx::sqlite::SqliteError>() {
        return is_conflicting(error);
    }
    false
}

fn is_conflicting(said: &dyn DatabaseError) -> bool {
    #[cfg(feature = "postgres")]
    if let Some(said) = said.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return postgres::is_conflicting(said.code());
    }
    #[cfg(feature = "sqlite")]
    if said.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return sqlite::is_conflicting(said);
    }
    false
}
