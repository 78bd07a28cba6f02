//! A store without an index of due calls.

use idempotent_core::Store;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Scan, StoreError,
};

/// A store that nobody gets to ask.
pub(super) struct NoIndex;

#[async_trait::async_trait]
impl Store for NoIndex {
    async fn reserve(&self, _: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        unreachable!()
    }

    async fn renew(&self, _: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        unreachable!()
    }

    async fn complete(&self, _: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        unreachable!()
    }

    async fn release(&self, _: &Release<'_>) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn load(&self, _: &RecordId) -> Result<Option<Entry>, StoreError> {
        unreachable!()
    }

    async fn purge(&self, _: &RecordId) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn scan(&self, _: &Scan) -> Result<Page, StoreError> {
        unreachable!()
    }
}
