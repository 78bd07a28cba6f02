//! A store that keeps to a limit of its own, beside the engine's.

use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::backends::MemoryStore;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Scan, Store, StoreError,
};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_tests::{Runs, call, secs};
use tokio::time::{Instant, sleep};

const CHARGE: Operation = Operation::new("charge");
/// The engine's own.
const LIMIT: Duration = secs(5);

/// Takes longer than the engine waits, whatever it promises.
struct Slow {
    store: MemoryStore,
    promises: Option<Duration>,
}

const TAKES: Duration = secs(8);

#[async_trait]
impl Store for Slow {
    fn response_timeout(&self) -> Option<Duration> {
        self.promises
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        sleep(TAKES).await;
        self.store.reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.store.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        sleep(TAKES).await;
        self.store.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.store.release(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        sleep(TAKES).await;
        self.store.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.store.purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.store.scan(request).await
    }
}

fn engine(promises: Option<Duration>) -> Idempotency {
    let store = Slow { store: MemoryStore::new(), promises };
    Idempotency::builder(store).store_timeout(LIMIT).build()
}

/// That it breaks its promise shows that nobody else looks at the clock.
#[tokio::test(start_paused = true)]
async fn a_store_that_promises_to_answer_sooner_is_left_to_it() {
    let (engine, runs) = (engine(Some(secs(2))), Runs::new());
    let begin = Instant::now();
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    assert_eq!(begin.elapsed(), 2 * TAKES);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_promises_nothing_or_too_little_is_given_up() {
    for promises in [None, Some(secs(6))] {
        let (engine, runs) = (engine(promises), Runs::new());
        let begin = Instant::now();
        let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
        assert_eq!((refused.kind(), runs.count()), (ErrorKind::Store, 0));
        assert_eq!(begin.elapsed(), LIMIT);
    }
}

/// The promise is about a call's transitions.
#[tokio::test(start_paused = true)]
async fn an_operator_is_not_kept_waiting_by_a_promise() {
    let engine = engine(Some(secs(2)));
    let id = engine.record_id("charge", None, "k").unwrap();
    let begin = Instant::now();
    assert_eq!(engine.inspect(&id).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(begin.elapsed(), LIMIT);
}
