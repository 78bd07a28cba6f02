//! An engine that fails open, and the one that does not.

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::{BeginOutcome, CallOutcome};
use idempotent_core::store::StoreErrorKind;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_tests::{Answer, Log, Runs, call, call_for, millis, secs, settle};
use tokio::time::sleep;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

fn failing_open(store: &FaultyStore<MemoryStore>) -> Idempotency {
    Idempotency::builder(store.clone()).fail_open().build()
}

fn store() -> FaultyStore<MemoryStore> {
    FaultyStore::new(MemoryStore::new())
}

#[tokio::test(start_paused = true)]
async fn while_the_store_cannot_be_asked_bodies_run_unrecorded_and_the_log_says_so() {
    let (log, _listening) = Log::listen();
    let store = store().on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let (engine, runs) = (failing_open(&store), Runs::new());
    for run in 1..=2 {
        let call = CHARGE.key("k").engine(&engine).returning::<Answer>();
        let (result, ended) = call.run_with_outcome(|| async { Ok(runs.note()) }).await;
        assert_eq!((result.unwrap(), ended), (run, CallOutcome::Unrecorded));
    }
    assert_eq!(log.events("the engine fails open").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_can_be_asked_it_is_like_any_other_engine() {
    let (engine, runs) = (failing_open(&store()), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn failing_open_is_refused_together_with_at_most_once() {
    let (engine, runs) = (failing_open(&store()), Runs::new());
    let operation = CHARGE.guarantee(Guarantee::AtMostOnce);
    let refused = call(&engine, operation, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_runs_nothing_even_then() {
    let malformed = Fault::FailAs(StoreErrorKind::Malformed);
    let store = store().on(StoreMethod::Reserve, When::Always, malformed);
    let (engine, runs) = (failing_open(&store), Runs::new());
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Incompatible, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unrecorded_call_can_be_detached_and_begun() {
    let store = store().on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = failing_open(&store);
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    assert_eq!(detached.run_detached(|| async { Ok(7) }).await.unwrap(), 7);
    let begun = CHARGE.key("k").engine(&engine).returning::<Answer>().begin().await.unwrap();
    let BeginOutcome::Reserved(reservation) = begun else { panic!("replayed") };
    assert_eq!((reservation.record_id(), reservation.token()), (None, None));
    reservation.complete(&Ok(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reservation_whose_answer_was_lost_is_released_beside_the_unrecorded_body() {
    let store = store().on(StoreMethod::Reserve, When::Nth(1), Fault::LoseAnswer);
    let (engine, runs) = (failing_open(&store), Runs::new());
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    settle().await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 2);
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 2);
}

/// It knows that another call runs: what fails after that is no reason to run beside it.
#[tokio::test(start_paused = true)]
async fn a_waiter_never_runs_beside_the_call_that_it_waited_for() {
    for fault in [Fault::Fail, Fault::Delay(secs(1)), Fault::LoseAnswer] {
        let store = store().on(StoreMethod::Reserve, When::From(3), fault);
        let (engine, runs) = (failing_open(&store), Runs::new());
        let operation = CHARGE.lease(secs(3));
        let running = call_for(&engine, operation, "k", &runs, secs(60));
        settle().await;
        let refused = call(&engine, operation.wait(millis(3500)), "k", &runs).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        assert_eq!(runs.count(), 1, "{fault:?}");
        running.abort();
        sleep(secs(10)).await;
    }
}
