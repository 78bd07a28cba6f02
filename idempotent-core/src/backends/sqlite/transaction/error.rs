//! Errors of a caller's transaction, as errors of a store.

use sqlx::Error;

use crate::backends::shared::sql::{
    RESERVATION_GONE, ROLLED_BACK, TABLES_ELSEWHERE, is_sqlite_conflict,
};
use crate::backends::sqlite::error::{is_foreign_key, is_plain, store_error};
use crate::store::{StoreError, StoreErrorKind};

pub(super) const UNGUARDED: &str = "this connection does not enforce foreign keys, which prevent the \
                                    commit of calls that have not ended: set PRAGMA foreign_keys = ON";

/// The error of a store for an error of a caller's connection.
pub(super) fn transaction_error(error: Error) -> StoreError {
    let database_error = error.as_database_error();
    let (kind, message) = match database_error {
        Some(error) if is_sqlite_conflict(error) => (
            StoreErrorKind::Conflict,
            "another connection writes, or wrote after this transaction read: roll it back and retry \
             it, begun with BEGIN IMMEDIATE",
        ),
        Some(error) if is_foreign_key(error) => (
            StoreErrorKind::Mismatch,
            "no transaction has begun on this connection: begin one first",
        ),
        Some(error) if is_plain(error) => (StoreErrorKind::Mismatch, TABLES_ELSEWHERE),
        _ => return store_error(error),
    };
    StoreError::new(kind, message).with_source(error)
}

/// The same for a statement on the reservation's savepoint, which exists as long as its transaction does.
pub(super) fn savepoint_error(error: Error) -> StoreError {
    if error.as_database_error().is_some_and(is_plain) {
        return reservation_gone().with_source(error);
    }
    transaction_error(error)
}

/// The error when the reservation does not exist any more.
pub(super) fn reservation_gone() -> StoreError {
    StoreError::new(StoreErrorKind::Mismatch, RESERVATION_GONE)
}

/// The error when the transaction does not exist any more.
pub(super) fn rolled_back(cause: StoreError) -> StoreError {
    StoreError::new(StoreErrorKind::RolledBack, ROLLED_BACK).with_source(cause)
}
