//! The savepoint that a call in a transaction sets after its reservation: rolling back to it undoes the
//! effects of a body that failed.

use crate::store::TransactionContext;

/// The error when the savepoint or the reservation does not exist any more.
pub(in crate::backends) const RESERVATION_GONE: &str = "the body ended the transaction, dropped a nested `begin` halfway, or rolled back the reservation: \
     statements after that may have been committed one by one";

/// The error when the database has ended the caller's transaction.
#[cfg(feature = "sqlite")]
pub(in crate::backends) const ROLLED_BACK: &str = "the transaction was rolled back while the call ran, by the \
     database itself or by the body, and nothing of it is kept: end it, and run all of it again";

/// The savepoint's name: one for each depth, so that nested calls do not share one, and statistics of
/// statements stay short.
pub(in crate::backends) fn savepoint(context: &TransactionContext<'_>) -> String {
    format!("idempotent_{}", context.depth)
}
