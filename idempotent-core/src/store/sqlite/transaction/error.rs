//! What goes wrong in a transaction of the caller's.

use sqlx::Error;

use super::super::error::{is_conflicting, is_foreign_key, is_plain, store_error};
use crate::store::sql::GONE;
use crate::store::{StoreError, StoreErrorKind};

pub(super) const UNGUARDED: &str = "this connection does not enforce foreign keys, by which calls that \
                                    did not end are kept from being committed";

/// The error of a store for an error of a caller's connection.
pub(super) fn transaction_error(error: Error) -> StoreError {
    let said = error.as_database_error();
    let (kind, message) = match said {
        Some(said) if is_conflicting(said) => (
            StoreErrorKind::Conflict,
            "another connection writes, or wrote after this transaction read: run this one again, \
             begun with BEGIN IMMEDIATE",
        ),
        Some(said) if is_foreign_key(said) => {
            (StoreErrorKind::Mismatch, "no transaction has begun on this connection")
        }
        _ => return store_error(error),
    };
    StoreError::new(kind, message).with_source(error)
}

/// The same for a statement about the reservation's savepoint, which is there in its transaction.
pub(super) fn savepoint_error(error: Error) -> StoreError {
    if error.as_database_error().is_some_and(is_plain) {
        return gone().with_source(error);
    }
    transaction_error(error)
}

/// The reservation is not where it was.
pub(super) fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Mismatch, GONE)
}
