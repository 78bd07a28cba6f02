//! Whether retrying a whole transaction helps.

use std::error::Error as StdError;

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::store::{StoreError, StoreErrorKind};

/// Whether an error, or one of its causes, says that the transaction was aborted by a conflict with another
/// one: then roll it back and retry all of it. In PostgreSQL that is a serialization failure or a deadlock;
/// in `SQLite` another connection writes, or wrote after the transaction read.
///
/// ```
/// use idempotent_core::backends::is_conflict;
/// use idempotent_core::store::{StoreError, StoreErrorKind};
///
/// assert!(is_conflict(&StoreError::new(StoreErrorKind::Conflict, "deadlock")));
/// assert!(!is_conflict(&sqlx::Error::RowNotFound));
/// ```
#[must_use]
pub fn is_conflict(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if is_conflict_itself(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_conflict_itself(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.kind() == StoreErrorKind::Conflict;
    }
    if let Some(Error::Database(error)) = error.downcast_ref::<Error>() {
        return is_database_conflict(&**error);
    }
    // A transparent wrapper's source is the database's error itself, without sqlx's own around it.
    #[cfg(feature = "postgres")]
    if let Some(error) = error.downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return is_database_conflict(error);
    }
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.downcast_ref::<sqlx::sqlite::SqliteError>() {
        return is_database_conflict(error);
    }
    false
}

fn is_database_conflict(error: &dyn DatabaseError) -> bool {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return is_postgres_conflict(error.code());
    }
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return is_sqlite_conflict(error);
    }
    false
}

/// Whether this is `PostgreSQL`'s code of a serialization failure or a deadlock.
#[cfg(feature = "postgres")]
pub(in crate::backends) fn is_postgres_conflict(code: &str) -> bool {
    matches!(code, "40001" | "40P01")
}

/// Whether another connection to an `SQLite` file writes, or wrote after this one read: `SQLITE_BUSY`,
/// whatever its extended code.
#[cfg(feature = "sqlite")]
pub(in crate::backends) fn is_sqlite_conflict(error: &dyn DatabaseError) -> bool {
    const BUSY: u32 = 5;
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == BUSY)
}
