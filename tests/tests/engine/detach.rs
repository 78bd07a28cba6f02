//! Bodies that finish in the background when their callers are dropped.

use std::thread;

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::with_engine;
use idempotent_core::{ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_tests::{Answer, Log, Runs, call, engine, millis, secs, settle};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

#[tokio::test(start_paused = true)]
async fn a_detached_body_finishes_and_is_recorded_after_its_caller_is_dropped() {
    for operation in [CHARGE, CHARGE.guarantee(Guarantee::AtMostOnce)] {
        let (engine, runs) = (engine(), Runs::new());
        let detached = operation.key("k").engine(&engine).returning::<Answer>();
        let run = detached.run_detached({
            let runs = runs.clone();
            move || async move {
                sleep(secs(100)).await;
                Ok(runs.note())
            }
        });
        timeout(secs(1), run).await.unwrap_err();
        assert_eq!(runs.count(), 0);
        sleep(secs(100)).await;
        assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 1);
        assert_eq!(runs.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_gives_its_result_and_replays_like_any_other() {
    let engine = engine();
    let detached = || CHARGE.key("k").engine(&engine).returning::<Answer>();
    assert_eq!(detached().run_detached(|| async { Ok(1) }).await.unwrap(), 1);
    assert_eq!(detached().run_detached(|| async { Ok(2) }).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_detached_duplicate_is_refused_while_the_first_runs() {
    let (engine, runs) = (engine(), Runs::new());
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let first = tokio::spawn(detached.run_detached(|| async {
        sleep(secs(5)).await;
        Ok(1)
    }));
    settle().await;
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert_eq!(first.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_inherits_the_callers_span() {
    let (log, _listening) = Log::listen();
    let engine = engine();
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let run = detached.run_detached(|| async {
        tracing::info!("in the body");
        Ok(1)
    });
    run.instrument(tracing::info_span!("request", id = 7)).await.unwrap();
    let line = &log.events("in the body")[0];
    assert_eq!(line.within.get("operation").map(String::as_str), Some("charge"));
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_uses_the_callers_engine_for_calls_of_its_own() {
    let (mine, runs) = (engine(), Runs::new());
    let outer = async {
        let inner = || async {
            sleep(secs(1)).await;
            let inner = Operation::new("inner").key("k").returning::<Answer>();
            inner.run(|| async { Ok(1) }).await
        };
        CHARGE.key("k").returning::<Answer>().run_detached(inner).await
    };
    with_engine(mine.clone(), outer).await.unwrap();
    assert_eq!(call(&mine, Operation::new("inner"), "k", &runs).await.unwrap(), 1);
    assert_eq!(runs.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_detached_bodys_panic_reaches_the_caller_and_frees_the_key() {
    let (engine, runs) = (engine(), Runs::new());
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let run = tokio::spawn(detached.run_detached(|| async { panic!("half way") }));
    let panic = run.await.unwrap_err().into_panic();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "half way");
    engine.drain().await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_before_its_reserve_was_answered_a_detached_call_runs_nothing() {
    use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
    let store = FaultyStore::new(MemoryStore::new());
    let store = store.on(StoreMethod::Reserve, When::Nth(1), Fault::DelayAnswer(secs(2)));
    let (engine, runs) = (Idempotency::new(store), Runs::new());
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let run = detached.run_detached({
        let runs = runs.clone();
        move || async move { Ok(runs.note()) }
    });
    timeout(secs(1), run).await.unwrap_err();
    sleep(secs(2)).await;
    assert_eq!(runs.count(), 0);
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

/// The thread is blocked for longer than the lease after the poll that won: a body that waited for a
/// worker would start too late, beside the one of the next caller.
#[test]
fn a_detached_body_starts_in_the_poll_that_won_its_key() {
    let (store, runs) = (MemoryStore::new(), Runs::new());
    let operation = CHARGE.lease(millis(100));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = runtime().block_on(async {
        let engine = Idempotency::new(store.clone());
        let detached = operation.key("k").engine(&engine).returning::<Answer>();
        let run = detached.run_detached({
            let runs = runs.clone();
            move || async move { Ok(runs.note()) }
        });
        let blocked = async {
            thread::sleep(millis(200));
            let other = Idempotency::new(store.clone());
            let take = {
                let runs = runs.clone();
                move || runtime().block_on(call(&other, operation, "k", &runs))
            };
            thread::spawn(take).join().unwrap().unwrap()
        };
        tokio::join!(biased; run, blocked)
    });
    assert_eq!((first.unwrap(), second, runs.count()), (1, 1, 1));
}

#[test]
fn a_detached_body_that_its_runtime_cuts_short_holds_its_key() {
    let (engine, runs) = (engine(), Runs::new());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let run = detached.run_detached(std::future::pending::<Answer>);
    first.block_on(async { timeout(millis(10), run).await.unwrap_err() });
    drop(first);
    let refused = runtime().block_on(call(&engine, CHARGE, "k", &runs)).unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::InProgress, 0));
}
