//! [`Acquired`]: the result of acquiring a key, for plain calls and for calls in a transaction.

use super::unrecorded::UnrecordedRun;
use crate::model::{Record, RecordId};

/// What a call may do now. Refusals are errors.
///
/// `W` is what the winner holds. `U` is what the body gets if the store fails and the engine fails
/// open; that cannot happen in a transaction, where `U` is uninhabited.
pub(crate) enum Acquired<W, U = Box<UnrecordedRun>> {
    /// The call has already completed: decode its result.
    Replay(CompletedRecord),
    /// Run the body and record its end.
    Won(W),
    /// Run the body without a record.
    Unrecorded(U),
}

/// A completed record and its identity.
pub(crate) struct CompletedRecord {
    pub(crate) id: RecordId,
    pub(crate) record: Record,
}
