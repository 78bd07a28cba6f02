//! [`SharedRecords`]: the records of calls that share a transaction, which are written together before it is committed.

use std::any::Any;

use async_trait::async_trait;

use super::error::StoreError;
use super::request::Complete;
use super::transaction::TransactionReserveOutcome;
use crate::model::RecordId;

/// What the calls of one transaction, which run one after the other, reserve and complete without a statement each.
///
/// From when it was made until [`write`](Self::write), the database refuses to commit the transaction, whoever tries.
#[async_trait]
pub trait SharedRecords<C>: Send {
    /// What stands at an id; `None` if only the database can tell.
    fn reserve(&mut self, id: &RecordId) -> Option<TransactionReserveOutcome>;

    /// Separates the effects of one call from those of the next, which can then no longer undo them by rolling back to a
    /// savepoint. Fails unless the transaction is the same as before, is open, and can be committed.
    async fn separate(&mut self, connection: &mut C) -> Result<(), StoreError>;

    /// Keeps the result of a call, and says whether it did: it does so for those whose ids it has reserved.
    fn complete(&mut self, request: &Complete<'_>) -> bool;

    /// Writes the results of all calls, of which none is missing, or fails: then the transaction has to be rolled back.
    /// Whether nothing is left but to commit: otherwise the database has to be asked whether it can.
    async fn write(
        &mut self,
        connection: &mut C,
        tables: &(dyn Any + Send + Sync),
    ) -> Result<bool, StoreError>;
}
