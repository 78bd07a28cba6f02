//! What goes wrong in a transaction of the caller's.

use sqlx::Error;
use sqlx::error::DatabaseError;

use super::super::error::{is_conflicting, store_error};
use crate::store::sql::GONE;
use crate::store::{StoreError, StoreErrorKind};

/// The constraint that keeps a call that did not end from being committed. It is checked within the call
/// only where it is not deferred, or where each statement is committed.
const UNFINISHED: &str = "idempotent_call_dropped_half_way";
const TOO_EARLY: &str = "no transaction has begun on this connection, or it checks all constraints at once, \
                         of which idempotent_call_dropped_half_way has to be deferred";
const NO_TRANSACTION: &str = "25P01";
const NO_SAVEPOINT: &str = "3B001";
const ABORTED: &str = "25P02";

/// The error of a store for an error of a caller's connection.
pub(super) fn transaction_error(error: Error) -> StoreError {
    let said = error.as_database_error();
    if said.and_then(DatabaseError::constraint) == Some(UNFINISHED) {
        return StoreError::new(StoreErrorKind::Mismatch, TOO_EARLY).with_source(error);
    }
    let code = said.and_then(DatabaseError::code);
    let (kind, message) = match code.as_deref() {
        Some(code) if is_conflicting(code) => {
            (StoreErrorKind::Conflict, "another transaction was in the way: run this one again")
        }
        Some(NO_TRANSACTION) => {
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
