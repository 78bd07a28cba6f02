//! [`Slot`]: a transaction that may be lent to somebody, and is rolled back as a whole if a call in it fails.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Database, Transaction as SqlTransaction};

use super::pool::InboxPool;
use crate::store::{
    Complete, Release, Reserve, SharedRecords as _, StoreError, StoreErrorKind, Transaction,
    TransactionContext, TransactionReserveOutcome,
};

/// The transaction of a message, or of a group of them.
pub(super) struct Slot<P: InboxPool> {
    /// Empty while a handler has it, and once it is lost.
    pub(super) tx: Option<SqlTransaction<'static, P::Database>>,
    /// The records of a group, where they are written together.
    pub(super) shared: Option<P::Shared>,
    /// Whether nothing is left but to commit it.
    pub(super) is_complete: bool,
}

impl<P: InboxPool> Slot<P> {
    pub(super) const fn new(tx: SqlTransaction<'static, P::Database>) -> Self {
        Self { tx: Some(tx), shared: None, is_complete: false }
    }

    fn connection(&mut self) -> Result<&mut <P::Database as Database>::Connection, StoreError> {
        self.tx.as_deref_mut().ok_or_else(gone)
    }
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the transaction is rolled back")
}

#[async_trait]
impl<P: InboxPool> Transaction for Slot<P> {
    async fn reserve(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<TransactionReserveOutcome, StoreError> {
        let shared = self.shared.as_mut();
        if let Some(known) = shared.and_then(|shared| shared.reserve(request.id)) {
            return Ok(known);
        }
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
        let connection = self.tx.as_deref_mut().ok_or_else(gone)?;
        let Some(shared) = &mut self.shared else {
            self.is_complete = P::complete_last(connection, context, request).await?;
            return Ok(());
        };
        shared.separate(connection).await?;
        match shared.complete(request) {
            true => Ok(()),
            false => connection.complete(context, request).await,
        }
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
