//! [`Slot`]: a transaction that may be lent to somebody, and is rolled back as a whole if a call in it fails.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Transaction as SqlTransaction;

use super::pool::InboxPool;
use crate::consumer::message::Message;
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
    /// Whether it is most likely that nothing stands at the message's id.
    is_first_delivery: bool,
    /// Whether nothing is left but to commit it.
    pub(super) is_complete: bool,
}

impl<P: InboxPool> Slot<P> {
    /// Of one message.
    pub(super) fn of(message: &Message, tx: SqlTransaction<'static, P::Database>) -> Self {
        Self {
            tx: Some(tx),
            shared: None,
            is_first_delivery: is_first_delivery(message),
            is_complete: false,
        }
    }

    /// Of a group.
    pub(super) const fn of_group(tx: SqlTransaction<'static, P::Database>) -> Self {
        Self { tx: Some(tx), shared: None, is_first_delivery: false, is_complete: false }
    }
}

/// Whether the broker says so. One that says nothing may have delivered the message before.
pub(super) fn is_first_delivery(message: &Message) -> bool {
    message.delivery_count() == Some(1)
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
        let (connection, context) =
            (self.tx.as_deref_mut().ok_or_else(gone)?, context.without_undo());
        if self.is_first_delivery {
            if let Some(won) = P::reserve_vacant(connection, &context, request).await? {
                return Ok(won);
            }
        }
        connection.reserve(&context, request, wait).await
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
        if !shared.complete(request) {
            connection.complete(context, request).await?;
        }
        // After its record, so that the next call can undo neither.
        shared.separate(connection).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_which_the_broker_does_not_say_so_is_no_first_delivery() {
        let message = || Message::new("7", "orders", "");
        assert!(is_first_delivery(&message().with_delivery_count(1)));
        assert!(!is_first_delivery(&message().with_delivery_count(2)));
        assert!(!is_first_delivery(&message()));
    }
}
