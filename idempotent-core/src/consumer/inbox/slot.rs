//! [`Slot`]: a transaction that may be lent to somebody.

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
        self.connection()?.reserve(context, request, wait).await
    }

    async fn undo(&mut self, context: &TransactionContext<'_>) -> Result<(), StoreError> {
        self.connection()?.undo(context).await
    }

    async fn complete(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError> {
        self.connection()?.complete(context, request).await
    }

    async fn release(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        self.connection()?.release(context, request).await
    }
}
