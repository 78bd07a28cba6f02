//! Runtimes that lack what the engine needs are told so.

use std::task::Poll;

use async_trait::async_trait;
use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Scan, StoreError, Wait,
};
use idempotent_core::{ErrorKind, Idempotency, Operation, Store};
use idempotent_tests::{Answer, Runs, call, engine, secs, until};
use tokio::runtime::{Builder, Runtime};

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

fn without_timer() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// How often this thread has panicked, for those who print it.
fn panics_of(calls: impl FnOnce()) -> usize {
    use std::cell::Cell;
    use std::sync::Once;

    thread_local!(static PANICS: Cell<usize> = const { Cell::new(0) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            previous(panic);
        }));
    });
    let before = PANICS.get();
    calls();
    PANICS.get() - before
}

#[test]
fn a_runtime_without_a_timer_is_tried_once() {
    let (engine, runs, runtime) = (engine(), Runs::new(), without_timer());
    let panics = panics_of(|| {
        for key in 0..20 {
            let refused = runtime.block_on(call(&engine, CHARGE, &format!("{key}"), &runs));
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Misconfigured);
        }
    });
    // Tokio says it in no other way.
    assert!(panics <= 1, "{panics}");
    assert_eq!(runs.count(), 0);
}

fn with_timer() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_runtime_without_a_timer_is_misconfigured() {
    let (engine, runs) = (engine(), Runs::new());
    let refused = without_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
    // And it has left nothing behind.
    assert_eq!(with_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap(), 1);
}

#[test]
fn no_runtime_is_misconfigured() {
    let (engine, runs) = (engine(), Runs::new());
    let refused = futures::executor::block_on(call(&engine, CHARGE, "k", &runs)).unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
    assert_eq!(with_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap(), 1);
}

#[test]
fn no_runtime_is_misconfigured_for_a_detached_call_too() {
    let engine = engine();
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let refused = futures::executor::block_on(detached.run_detached(|| async { Ok(1) }));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Misconfigured);
}

/// A store that does not answer at its first poll, as no store on a server does.
struct Elsewhere(MemoryStore);

#[async_trait]
impl Store for Elsewhere {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        yield_once().await;
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

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.0.purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.scan(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.0.wait(request).await
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn they_are_misconfigured_with_a_store_on_a_server_too() {
    let (engine, runs) = (Idempotency::new(Elsewhere(MemoryStore::new())), Runs::new());
    let refused = without_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
    let refused = futures::executor::block_on(call(&engine, CHARGE, "k", &runs)).unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
    assert_eq!(with_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap(), 1);
}

#[test]
fn an_engine_that_fails_open_is_misconfigured_there_and_runs_nothing() {
    let engine = Idempotency::builder(Elsewhere(MemoryStore::new())).fail_open().build();
    let runs = Runs::new();
    let refused = without_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
}

#[test]
fn a_waiter_on_a_runtime_without_a_timer_is_misconfigured() {
    let (engine, runs) = (engine(), Runs::new());
    let home = with_timer();
    let running = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let BeginOutcome::Reserved(running) = home.block_on(running.begin()).unwrap() else {
        panic!("replayed")
    };
    let waiting = CHARGE.wait(secs(1));
    let refused = without_timer().block_on(call(&engine, waiting, "k", &runs)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let refused = futures::executor::block_on(call(&engine, waiting, "k", &runs)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    home.block_on(running.complete(&Ok(7)));
}

#[test]
fn a_replay_needs_no_runtime() {
    let (engine, runs) = (engine(), Runs::new());
    with_timer().block_on(call(&engine, CHARGE, "k", &runs)).unwrap();
    assert_eq!(futures::executor::block_on(call(&engine, CHARGE, "k", &runs)).unwrap(), 1);
}

#[test]
fn an_engine_outlives_its_first_runtime() {
    let (engine, runs) = (engine(), Runs::new());
    let operation = CHARGE.lease(secs(3));
    with_timer().block_on(call(&engine, operation, "first", &runs)).unwrap();
    let second = with_timer();
    second.block_on(async {
        let (enough, told) = tokio::sync::oneshot::channel();
        let slow = operation.key("second").engine(&engine).returning::<Answer>();
        let slow = tokio::spawn(slow.run(|| async move {
            told.await.unwrap();
            Ok(2)
        }));
        // Longer than two leases.
        tokio::time::sleep(secs(7)).await;
        let refused = call(&engine, operation, "second", &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InProgress);
        enough.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), 2);
    });
}

#[test]
fn a_dropped_engine_leaves_no_task_behind() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        for _ in 0..200 {
            let runs = Runs::new();
            let engine = engine();
            tokio::spawn(async move { call(&engine, CHARGE, "k", &runs).await })
                .await
                .unwrap()
                .unwrap();
        }
        let metrics = tokio::runtime::Handle::current().metrics();
        until(async || metrics.num_alive_tasks() == 0).await;
    });
}
