//! A store that keeps to a limit of its own, beside the engine's.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::backends::MemoryStore;
use idempotent_core::model::{RecordId, StepEntry, StepId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Journal, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Resume, ResumeOutcome, Scan, Store, StoreError, Suspend, WriteStep,
    WriteStepOutcome,
};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_tests::{Runs, call, secs};
use tokio::time::{Instant, sleep, timeout};

const CHARGE: Operation = Operation::new("charge");
/// The engine's own.
const LIMIT: Duration = secs(5);

/// Takes longer than the engine waits, whatever it promises.
struct Slow {
    store: MemoryStore,
    promises: Option<Duration>,
    /// The same of its steps.
    promises_of_steps: Option<Duration>,
    /// Steps that it was asked to write. The first one hangs.
    writes: AtomicUsize,
}

const TAKES: Duration = secs(8);

#[async_trait]
impl Store for Slow {
    fn response_timeout(&self) -> Option<Duration> {
        self.promises
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
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

#[async_trait]
impl Journal for Slow {
    fn response_timeout(&self) -> Option<Duration> {
        self.promises_of_steps
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        if self.writes.fetch_add(1, Ordering::SeqCst) == 0 {
            pending::<()>().await;
        }
        self.store.write_step(request).await
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

fn engine(promises: Option<Duration>) -> Idempotency {
    engine_of(promises, None)
}

fn engine_of(promises: Option<Duration>, promises_of_steps: Option<Duration>) -> Idempotency {
    let (store, writes) = (MemoryStore::new(), AtomicUsize::new(0));
    let store = Slow { store, promises, promises_of_steps, writes };
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

/// The promise is for reservations and results.
#[tokio::test(start_paused = true)]
async fn a_step_whose_write_hangs_is_written_again_whatever_the_store_promises() {
    let (engine, runs) = (engine(Some(secs(2))), Runs::new());
    let step = || async {
        let step = CHARGE.step().returning::<Result<usize, Error>>();
        step.run(|| async { Ok(runs.note()) }).await
    };
    let checkout = Operation::new("checkout").key("k").engine(&engine);
    let checkout = checkout.returning::<Result<usize, Error>>().run(step);
    let done =
        timeout(secs(3600), checkout).await.expect("it is given up after the engine's limit");
    assert_eq!((done.unwrap(), runs.count()), (1, 1));
}

/// As above: it breaks its promise.
#[tokio::test(start_paused = true)]
async fn a_step_is_left_to_a_journal_that_promises_to_answer_sooner() {
    for (promises, is_left) in [(Some(secs(2)), true), (Some(secs(6)), false), (None, false)] {
        let (engine, runs) = (engine_of(Some(secs(2)), promises), Runs::new());
        let checkout = Operation::new("checkout").key("k").engine(&engine);
        let checkout = checkout.returning::<Result<usize, Error>>().run(|| async {
            let step = CHARGE.step().returning::<Result<usize, Error>>();
            step.run(|| async { Ok(runs.note()) }).await
        });
        assert_eq!(timeout(secs(600), checkout).await.is_err(), is_left, "{promises:?}");
    }
}
