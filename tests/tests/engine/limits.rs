//! Limits of an engine: what runs, waits and is detached at once, and what a scope keeps.

use std::sync::Arc;

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::ScopeShare;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Abandon, Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Store, StoreError,
};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{
    Disposition, Error, ErrorKind, Guarantee, Idempotency, IdempotencyBuilder, Operation,
};
use idempotent_tests::{Answer, Fail, Runs, millis, secs, settle};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

fn limited(limit: impl FnOnce(IdempotencyBuilder) -> IdempotencyBuilder) -> Idempotency {
    limit(Idempotency::builder(MemoryStore::new())).build()
}

/// Calls whose bodies end when they are let go.
#[derive(Clone)]
struct Calls {
    engine: Idempotency,
    gate: Arc<Semaphore>,
    runs: Runs,
}

impl Calls {
    fn on(engine: Idempotency) -> Self {
        Self { engine, gate: Arc::new(Semaphore::new(0)), runs: Runs::new() }
    }

    async fn run(&self, operation: Operation, scope: &str, key: &str) -> Answer {
        let call = operation.key(key).scope(scope).engine(&self.engine).returning::<Answer>();
        let this = self.clone();
        call.run(|| async move { this.body().await }).await
    }

    async fn body(&self) -> Answer {
        let run = self.runs.note();
        self.gate.acquire().await.expect("it is never closed").forget();
        Ok(run)
    }

    /// A call that runs on until it is let go.
    async fn start(&self, operation: Operation, scope: &str, key: &str) -> JoinHandle<Answer> {
        let (this, scope, key) = (self.clone(), scope.to_owned(), key.to_owned());
        let running = tokio::spawn(async move { this.run(operation, &scope, &key).await });
        settle().await;
        running
    }

    async fn refused(&self, operation: Operation, scope: &str, key: &str) -> Error {
        let refused = timeout(secs(60), self.run(operation, scope, key)).await;
        refused.expect("it is refused and does not run").unwrap_err()
    }

    async fn is_let_in(&self, scope: &str, key: &str) {
        self.gate.add_permits(1);
        self.run(CHARGE, scope, key).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_runs_no_more_calls_than_it_may() {
    let calls = Calls::on(limited(|it| it.max_running_per_scope(2)));
    let first = calls.start(CHARGE, "a", "1").await;
    calls.start(CHARGE, "a", "2").await;
    let refused = calls.refused(CHARGE, "a", "3").await;
    assert_eq!((refused.kind(), refused.status()), (ErrorKind::TooManyCalls, 429));
    assert_eq!((refused.is_retryable(), refused.retry_after()), (true, Some(secs(1))));
    calls.start(CHARGE, "b", "1").await;
    assert_eq!(calls.runs.count(), 3);
    calls.gate.add_permits(3);
    first.await.unwrap().unwrap();
    settle().await;
    calls.is_let_in("a", "3").await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_runs_no_more_calls_than_it_may() {
    let calls = Calls::on(limited(|it| it.max_running(1)));
    let first = calls.start(CHARGE, "a", "1").await;
    let refused = calls.refused(CHARGE, "b", "1").await;
    assert_eq!((refused.kind(), refused.status()), (ErrorKind::Overloaded, 503));
    assert!(refused.is_retryable());
    calls.gate.add_permits(1);
    first.await.unwrap().unwrap();
    calls.is_let_in("b", "1").await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_gives_its_seat_back_and_needs_none_for_the_result() {
    let calls = Calls::on(limited(|it| it.max_running(2).max_running_per_scope(2)));
    let waiting = CHARGE.wait(secs(20));
    let first = calls.start(CHARGE, "a", "1").await;
    let waiters = [calls.start(waiting, "a", "1").await, calls.start(waiting, "a", "1").await];
    // Takes the last seat.
    let other = calls.start(CHARGE, "a", "2").await;
    assert_eq!(calls.refused(CHARGE, "a", "3").await.kind(), ErrorKind::Overloaded);
    calls.gate.add_permits(1);
    let first = first.await.unwrap().unwrap();
    // Another call takes the seat of the first one before the waiters can.
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap(), first);
    }
    calls.gate.add_permits(1);
    other.await.unwrap().unwrap();
    assert_eq!(calls.runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_key_is_released_runs_on_the_seat_that_is_free() {
    let engine = limited(|it| it.max_running_per_scope(1));
    let calls = Calls::on(engine.clone());
    let failing = CHARGE.key("1").scope("a").engine(&engine).returning::<Result<usize, Fail>>();
    let gate = Arc::clone(&calls.gate);
    let first = tokio::spawn(failing.on_error(Fail::disposition).run(move || async move {
        gate.acquire().await.expect("it is never closed").forget();
        Err(Fail::Invalid)
    }));
    settle().await;
    let waiter = calls.start(CHARGE.wait(secs(20)), "a", "1").await;
    calls.gate.add_permits(1);
    first.await.unwrap().unwrap_err();
    // The key is vacant, and so is the seat: the waiter runs.
    calls.gate.add_permits(1);
    waiter.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_for_a_key_or_in_a_scope_than_may() {
    type Limit = fn(IdempotencyBuilder) -> IdempotencyBuilder;
    let limits: [(Limit, ErrorKind); 3] = [
        (|it| it.max_waiting_per_key(1), ErrorKind::TooManyCalls),
        (|it| it.max_waiting_per_scope(1), ErrorKind::TooManyCalls),
        (|it| it.max_waiting(1), ErrorKind::Overloaded),
    ];
    for (limit, kind) in limits {
        let calls = Calls::on(limited(limit));
        let waiting = CHARGE.wait(secs(20));
        let first = calls.start(CHARGE, "a", "1").await;
        let waiter = calls.start(waiting, "a", "1").await;
        assert_eq!(calls.refused(waiting, "a", "1").await.kind(), kind);
        // One that does not wait is told what it always was.
        assert_eq!(calls.refused(CHARGE, "a", "1").await.kind(), ErrorKind::InProgress);
        calls.gate.add_permits(1);
        assert_eq!(first.await.unwrap().unwrap(), waiter.await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn detached_bodies_are_counted_bounded_and_drained() {
    let engine = limited(|it| it.max_detached(2));
    let calls = Calls::on(engine.clone());
    let detached = |key: &'static str| {
        let call = CHARGE.key(key).scope("a").engine(&engine).returning::<Answer>();
        let this = calls.clone();
        call.run_detached(move || async move { this.body().await })
    };
    for key in ["1", "2"] {
        timeout(millis(1), detached(key)).await.unwrap_err();
    }
    assert_eq!(engine.detached_bodies(), 2);
    let refused = timeout(secs(60), detached("3")).await;
    let refused = refused.expect("it is refused and does not run").unwrap_err();
    assert_eq!((refused.kind(), calls.runs.count()), (ErrorKind::Overloaded, 2));
    // A call that ends with its caller is none of them.
    let attached = calls.start(CHARGE, "a", "4").await;
    let drained = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain().await }
    });
    settle().await;
    assert!(!drained.is_finished());
    calls.gate.add_permits(3);
    drained.await.unwrap();
    attached.await.unwrap().unwrap();
    assert_eq!(engine.detached_bodies(), 0);
    calls.gate.add_permits(1);
    detached("3").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_without_a_record_is_counted_and_drained_too() {
    let store = FaultyStore::new(MemoryStore::new());
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).fail_open().max_detached(1).build();
    let calls = Calls::on(engine.clone());
    let detached = |key: &'static str| {
        let call = CHARGE.key(key).engine(&engine).returning::<Answer>();
        let this = calls.clone();
        call.run_detached(move || async move { this.body().await })
    };
    timeout(millis(1), detached("1")).await.unwrap_err();
    assert_eq!(engine.detached_bodies(), 1);
    let refused = timeout(secs(60), detached("2")).await;
    let refused = refused.expect("it is refused and does not run").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    let drained = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain().await }
    });
    settle().await;
    assert!(!drained.is_finished());
    calls.gate.add_permits(1);
    drained.await.unwrap();
    assert_eq!(engine.detached_bodies(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_scope_gets_its_results_and_nothing_new() {
    let calls = Calls::on(limited(|it| it.scope_share(ScopeShare::new().max_records(2))));
    for key in ["1", "2"] {
        calls.is_let_in("a", key).await;
    }
    let refused = calls.refused(CHARGE, "a", "3").await;
    assert_eq!((refused.kind(), refused.status()), (ErrorKind::ScopeFull, 429));
    assert_eq!((refused.is_retryable(), refused.retry_after()), (true, Some(secs(5))));
    assert_eq!(calls.run(CHARGE, "a", "1").await.unwrap(), 1);
    calls.is_let_in("b", "3").await;
    let unscoped = CHARGE.key("3").engine(&calls.engine).returning::<Answer>();
    assert_eq!(unscoped.run(|| async { Ok(7) }).await.unwrap(), 7);
}

/// A store that does not count leaves the engine with what its own calls write.
#[tokio::test(start_paused = true)]
async fn without_a_store_that_counts_a_scope_is_let_in_again_as_its_records_end() {
    let share = ScopeShare::new().max_records(2).max_indeterminate(1);
    let store = Uncounted(MemoryStore::new());
    let calls = Calls::on(Idempotency::builder(store).ttl(secs(60)).scope_share(share).build());
    calls.is_let_in("a", "1").await;
    settle().await;
    calls.is_let_in("a", "2").await;
    assert_eq!(calls.refused(CHARGE, "a", "3").await.kind(), ErrorKind::ScopeFull);
    assert_eq!(calls.run(CHARGE, "a", "1").await.unwrap(), 1);
    calls.is_let_in("b", "3").await;
    tokio::time::advance(secs(121)).await;
    calls.is_let_in("a", "3").await;

    let strict = CHARGE.guarantee(Guarantee::AtMostOnce);
    let lost = strict.key("lost").scope("c").engine(&calls.engine);
    let lost = lost.returning::<Result<usize, Fail>>().on_error(|_| Disposition::Unknown);
    assert_eq!(lost.run(|| async { Err(Fail::TimedOut) }).await, Err(Fail::TimedOut));
    assert_eq!(calls.refused(strict, "c", "1").await.kind(), ErrorKind::ScopeFull);
    calls.is_let_in("c", "2").await;
}

/// A store of somebody else's that does not count.
struct Uncounted(MemoryStore);

#[async_trait::async_trait]
impl Store for Uncounted {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.0.reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.0.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.release(request).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.0.abandon(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.0.purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.scan(request).await
    }
}
