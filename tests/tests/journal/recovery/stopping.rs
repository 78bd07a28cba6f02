//! A recovery that is told to stop at the worst moment.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::engine::Recovery;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Complete, CompleteOutcome, Due, DueCall, DueCalls, Entry, Journal, Page, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, Scan, Store, StoreError,
};
use idempotent_core::testing::{StoreMethod, TestStore};
use tokio::sync::Notify;

use super::{Order, checkout, die_in_the_body, stop};
use crate::shop::Shop;

/// A store whose index of due calls answers when it is told to.
struct SlowIndex {
    store: TestStore,
    asked: Arc<Notify>,
    answer: Arc<Notify>,
}

#[async_trait::async_trait]
impl DueCalls for SlowIndex {
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
        self.asked.notify_one();
        self.answer.notified().await;
        self.store.due_calls().unwrap().due(request).await
    }

    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError> {
        self.store.due_calls().unwrap().due_in(id).await
    }
}

#[async_trait::async_trait]
impl Store for SlowIndex {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.store.reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.store.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.store.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.store.release(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.store.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.store.purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.store.scan(request).await
    }

    fn journal(&self) -> Option<&dyn Journal> {
        self.store.journal()
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        Some(self)
    }
}

#[tokio::test]
async fn one_that_is_stopped_while_it_asks_which_calls_are_due_takes_none() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, asks, answers) = (shop.store().clone(), Arc::clone(&asked), Arc::clone(&answer));
    let engine = Idempotency::new(SlowIndex { store, asked: asks, answer: answers });
    let finish = |order: Order| async move { checkout(&order).run(|| async { Ok(1) }).await };
    let recovery = Recovery::new(&engine).operation("checkout", finish).start().unwrap();
    asked.notified().await;
    tokio::join!(biased; stop(recovery), async { answer.notify_one() });
    assert_eq!(shop.store().calls(StoreMethod::Resume), 0);
}
