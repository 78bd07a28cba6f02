//! Errors of a caller's transaction, as errors of a store.

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::backends::postgres::error::store_error;
use crate::backends::postgres::sqlstate::{Meaning, meaning};
use crate::backends::shared::sql::{RESERVATION_GONE, TABLES_ELSEWHERE, is_postgres_conflict};
use crate::store::{StoreError, StoreErrorKind};

/// The constraint that prevents the commit of a call that has not ended. It fails during the call only if
/// it is not deferred, or if every statement is committed by itself.
const UNFINISHED: &str = "idempotent_call_dropped_half_way";
const TOO_EARLY: &str = "no transaction has begun on this connection, or it checks constraints immediately: \
                         begin one, and leave idempotent_call_dropped_half_way deferred";
const NO_TRANSACTION: &str = "25P01";
const NO_SAVEPOINT: &str = "3B001";
const ABORTED: &str = "25P02";

/// The error of a store for an error of a caller's connection.
pub(super) fn transaction_error(error: Error) -> StoreError {
    let database_error = error.as_database_error();
    if database_error.and_then(DatabaseError::constraint) == Some(UNFINISHED) {
        return StoreError::new(StoreErrorKind::Mismatch, TOO_EARLY).with_source(error);
    }
    let code = database_error.and_then(DatabaseError::code);
    let (kind, message) = match code.as_deref() {
        Some(code) if is_postgres_conflict(code) => (
            StoreErrorKind::Conflict,
            "the transaction was aborted by a conflict: roll it back and retry it",
        ),
        Some(NO_TRANSACTION) => (
            StoreErrorKind::Mismatch,
            "no transaction has begun on this connection, or it has ended: begin one first",
        ),
        Some(NO_SAVEPOINT) => (StoreErrorKind::Mismatch, RESERVATION_GONE),
        Some(ABORTED) => (
            StoreErrorKind::RolledBack,
            "an earlier statement failed, so the transaction can only be rolled back",
        ),
        Some(code) if meaning(code) == Meaning::SchemaMissing => {
            (StoreErrorKind::Mismatch, TABLES_ELSEWHERE)
        }
        _ => return store_error(error),
    };
    StoreError::new(kind, message).with_source(error)
}
