//! A store that answers here and now, and fails here and now.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::Resolution;
use idempotent_core::model::{RecordId, StepEntry, StepId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Journal, LocalStore, Page, Release, Renew, RenewOutcome,
    Reserve, ReserveOutcome, Resume, ResumeOutcome, Scan, Store, StoreError, Suspend, WriteStep,
    WriteStepOutcome,
};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, step};
use idempotent_tests::{Runs, call, secs, settle};

const CHARGE: Operation = Operation::new("charge");

/// Loses the answers of so many calls: each takes effect, and gives an error.
#[derive(Default)]
struct Losing {
    store: MemoryStore,
    reserves: AtomicUsize,
    completes: AtomicUsize,
    writes: AtomicUsize,
    awaited: AtomicUsize,
}

fn lose<T>(left: &AtomicUsize, answer: Result<T, StoreError>) -> Result<T, StoreError> {
    let lost = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if lost.is_ok() { Err(StoreError::unavailable("lost")) } else { answer }
}

impl LocalStore for Losing {
    fn completed(&self, _: &RecordId) -> Option<Entry> {
        None
    }

    fn try_reserve(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        Some(lose(&self.reserves, self.store.try_reserve(request)?))
    }

    fn try_complete(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        Some(lose(&self.completes, self.store.try_complete(request)?))
    }

    fn try_write_step(
        &self,
        request: &WriteStep<'_>,
    ) -> Option<Result<WriteStepOutcome, StoreError>> {
        Some(lose(&self.writes, self.store.try_write_step(request)?))
    }
}

#[async_trait]
impl Journal for Losing {
    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        self.awaited.fetch_add(1, Ordering::SeqCst);
        lose(&self.writes, self.store.write_step(request).await)
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        self.store.load_steps(id, journal).await
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        Journal::resume(&self.store, request).await
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        Journal::suspend(&self.store, request).await
    }
}

#[async_trait]
impl Store for Losing {
    fn local(&self) -> Option<&dyn LocalStore> {
        Some(self)
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.awaited.fetch_add(1, Ordering::SeqCst);
        self.store.reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.store.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.awaited.fetch_add(1, Ordering::SeqCst);
        lose(&self.completes, self.store.complete(request).await)
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
}

fn engine(reserves: usize, completes: usize) -> (std::sync::Arc<Losing>, Idempotency) {
    let store = Losing {
        reserves: AtomicUsize::new(reserves),
        completes: AtomicUsize::new(completes),
        ..Losing::default()
    };
    let store = std::sync::Arc::new(store);
    (store.clone(), Idempotency::new(store))
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_at_once_is_not_awaited() {
    let (store, engine) = engine(0, 0);
    let runs = Runs::new();
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    assert_eq!(store.awaited.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reserve_whose_answer_is_lost_at_once_is_released() {
    let (_, engine) = engine(1, 0);
    let runs = Runs::new();
    let refused: Error = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Store, 0));
    settle().await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_complete_whose_answer_is_lost_at_once_is_tried_again() {
    for lost in 1..=3 {
        let (store, engine) = engine(0, lost);
        let runs = Runs::new();
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
        assert_eq!(store.awaited.load(Ordering::SeqCst), lost);
    }
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_keeps_failing_goes_on_behind_the_caller() {
    let (store, engine) = engine(0, 5);
    assert_eq!(call(&engine, CHARGE, "k", &Runs::new()).await.unwrap(), 1);
    assert_eq!(store.awaited.load(Ordering::SeqCst), 3);
    tokio::time::sleep(secs(5)).await;
    assert_eq!(store.awaited.load(Ordering::SeqCst), 5);
}

/// A call with a step, which has run as often as it returns.
async fn call_with_a_step(engine: &Idempotency, runs: &Runs) -> Result<usize, Error> {
    let call = CHARGE.key("k").engine(engine).returning::<Result<usize, Error>>();
    call.run(|| step("capture", || async { Ok(runs.note()) })).await
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_written_at_once_is_not_awaited() {
    let (store, engine) = engine(0, 0);
    assert_eq!(call_with_a_step(&engine, &Runs::new()).await.unwrap(), 1);
    assert_eq!(store.awaited.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_write_is_lost_at_once_is_written_again_and_does_not_run_again() {
    let (store, engine) = engine(0, 0);
    store.writes.store(3, Ordering::SeqCst);
    let runs = Runs::new();
    assert_eq!(call_with_a_step(&engine, &runs).await.unwrap(), 1);
    assert_eq!(store.awaited.load(Ordering::SeqCst), 3);
    assert_eq!(runs.count(), 1);
}

/// It may keep tokens where `suspend` does not write them: then no run could resume the call.
#[tokio::test(start_paused = true)]
async fn a_correction_leaves_the_token_to_a_journal_that_does_not_fence_by_it() {
    let (_, engine) = engine(0, 0);
    let checkout = async || {
        let call = Operation::new("checkout").key("k").engine(&engine);
        let call = call.returning::<Result<usize, Error>>();
        let run = call.run(|| async {
            let step = CHARGE.guarantee(Guarantee::AtMostOnce).step();
            step.returning::<Result<usize, Error>>().run(std::future::pending).await
        });
        tokio::time::timeout(secs(1), run).await
    };
    checkout().await.unwrap_err();
    settle().await;
    let id = engine.record_id("checkout", None, "k").unwrap();
    let inspect = async || engine.inspect(&id).await.unwrap().unwrap();
    let seen = engine.release(&inspect().await).await.unwrap().unwrap();
    let charge = seen.steps()[0].0;
    engine.resolve_step(&seen, &charge, Resolution::completed(5_usize)).await.unwrap();
    let seen = inspect().await;
    engine.correct_step(&seen, &charge, Resolution::completed(9_usize)).await.unwrap();
    assert_eq!(inspect().await.token(), seen.token());
    assert_eq!(checkout().await.unwrap().unwrap(), 9);
}
