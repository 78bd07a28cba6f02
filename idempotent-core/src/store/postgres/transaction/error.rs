//! What goes wrong in a transaction of the caller's.

use sqlx::Error;
use sqlx::error::DatabaseError;

use super::super::error::{is_conflicting, store_error};
use crate::store::sql::GONE;
use crate::store::{StoreError, StoreErrorKind};

/// What the schema's own trigger says.
const UNFINISHED: &str = "IDMP1";
const NO_TRANSACTION: &str = "25P01";
const NO_SAVEPOINT: &str = "3B001";
const ABORTED: &str = "25P02";

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
