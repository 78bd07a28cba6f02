//! sqlx's own transactions: what their connections can, they can.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Database;

use crate::store::{Complete, Joined, Place, Release, Reserve, StoreError, Transaction};

#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
#[async_trait]
impl<DB> Transaction for sqlx::Transaction<'_, DB>
where
    DB: Database,
    DB::Connection: Transaction,
{
    async fn reserve(
        &mut self,
        place: &Place<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<Joined, StoreError> {
        (**self).reserve(place, request, wait).await
    }

    async fn undo(&mut self, place: &Place<'_>) -> Result<(), StoreError> {
        (**self).undo(place).await
    }

    async fn complete(
        &mut self,
        place: &Place<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError> {
        (**self).complete(place, request).await
    }

    async fn release(
        &mut self,
        place: &Place<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        (**self).release(place, request).await
    }
}
