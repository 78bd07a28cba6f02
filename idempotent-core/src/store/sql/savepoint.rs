//! The savepoint behind a reservation, to which a failed body's effects are undone.

use crate::store::Place;

/// What became of it, where it is not there any more.
pub(in crate::store) const GONE: &str =
    "the body ended the transaction, or took the reservation out of it";

/// One name for each depth, so that calls within one another have savepoints of their own, and
/// statistics of statements are not flooded.
pub(in crate::store) fn savepoint(place: &Place<'_>) -> String {
    format!("idempotent_{}", place.depth)
}
