//! `Transaction` for sqlx's own transactions, which pass everything on to their connections.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Database;

use crate::store::{
    Complete, Release, Reserve, StoreError, Transaction, TransactionContext,
    TransactionReserveOutcome,
};

#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
#[async_trait]
impl<DB> Transaction for sqlx::Transaction<'_, DB>
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
        (**self).reserve(context, request, wait).await
    }

    async fn undo(&mut self, context: &TransactionContext<'_>) -> Result<(), StoreError> {
        (**self).undo(context).await
    }

    async fn complete(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError> {
        (**self).complete(context, request).await
    }

    async fn release(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        (**self).release(context, request).await
    }
}
