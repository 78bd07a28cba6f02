//! [`Slot`]: a transaction that may be lent to somebody, and is rolled back as a whole if a call in it fails.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Database, Transaction as SqlTransaction};

use crate::store::{
    Complete, Release, Reserve, StoreError, StoreErrorKind, Transaction, TransactionContext,
    TransactionReserveOutcome,
};

/// The transaction of a message; empty while the handler has it, and once it is lost.
pub(super) struct Slot<DB: Database>(pub(super) Option<SqlTransaction<'static, DB>>);

impl<DB> Slot<DB>
where
    DB: Database,
    DB::Connection: Transaction,
{
    fn connection(&mut self) -> Result<&mut DB::Connection, StoreError> {
        let gone =
            || StoreError::new(StoreErrorKind::Unavailable, "the transaction is rolled back");
        self.0.as_deref_mut().ok_or_else(gone)
    }
}

#[async_trait]
impl<DB> Transaction for Slot<DB>
where
    DB: Database,
    DB::Connection: Transaction,
{
    async fn reserve(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<TransactionReserveOutcome, StoreError> {
        self.connection()?.reserve(&context.without_undo(), request, wait).await
    }

    /// What a failed call did is undone with the transaction.
    async fn undo(&mut self, _: &TransactionContext<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn complete(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError> {
        self.connection()?.complete(context, request).await
    }

    /// So is its reservation.
    async fn release(
        &mut self,
        _: &TransactionContext<'_>,
        _: &Release<'_>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}
