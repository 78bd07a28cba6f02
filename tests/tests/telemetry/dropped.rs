//! Calls that do not end by themselves: they are dropped, or their bodies panic.

use std::panic::resume_unwind;

use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, Guarantee, Idempotency, Operation};
use idempotent_tests::{Runs, call, call_for, engine, millis, secs, settle};
use tokio::time::{sleep, timeout};

use crate::captured::Captured;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

/// A call whose body logs a line and waits for ever.
async fn hangs(engine: &Idempotency, operation: Operation) -> Result<(), Error> {
    let call = operation.key("k").engine(engine).returning::<Result<(), Error>>();
    call.run(|| async {
        tracing::info!("in the body");
        std::future::pending().await
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_its_body_runs_holds_its_key() {
    let captured = Captured::start();
    let engine = engine();
    timeout(secs(1), hangs(&engine, CHARGE)).await.unwrap_err();
    settle().await;
    assert_eq!(captured.end(), "dropped held");
    captured.assert_body_is_inside();
    let warning = &captured.log().events("was dropped while it ran")[0];
    assert_eq!(warning.within.get("operation").map(String::as_str), Some("charge"));
}

#[tokio::test(start_paused = true)]
async fn a_drop_that_the_store_does_not_learn_of_is_lost() {
    let captured = Captured::start();
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Abandon, When::Always, Fault::Fail);
    timeout(secs(1), hangs(&Idempotency::new(store), CHARGE)).await.unwrap_err();
    settle().await;
    assert_eq!(captured.end(), "dropped lost");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_from_a_drop() {
    for (guarantee, end) in [
        (Guarantee::AtLeastOnce, "panicked released"),
        (Guarantee::AtMostOnce, "panicked indeterminate"),
    ] {
        let captured = Captured::start();
        let call = CHARGE.guarantee(guarantee).key("k").engine(&engine());
        let call = call.returning::<Result<(), Error>>();
        let panicking = tokio::spawn(call.run(|| async {
            tracing::info!("in the body");
            sleep(millis(10)).await;
            resume_unwind(Box::new("a body that panics"))
        }));
        assert!(panicking.await.unwrap_err().is_panic());
        settle().await;
        assert_eq!(captured.end(), end);
        captured.assert_body_is_inside();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_has_not_touched_the_key() {
    let captured = Captured::start();
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, CHARGE, "k", &runs, secs(5));
    settle().await;
    timeout(secs(1), call(&engine, CHARGE.wait(secs(60)), "k", &runs)).await.unwrap_err();
    first.await.unwrap().unwrap();
    assert_eq!(captured.ends(), ["executed kept", "dropped none"]);
    assert!(captured.log().calls().iter().all(|call| call.closed));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_reserves_counts_once() {
    let captured = Captured::start();
    let delay = Fault::Delay(secs(2));
    let store = FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Nth(1), delay);
    timeout(secs(1), hangs(&Idempotency::new(store), CHARGE)).await.unwrap_err();
    sleep(secs(5)).await;
    assert_eq!(captured.end(), "dropped none");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_is_not_counted() {
    let captured = Captured::start();
    drop(hangs(&engine(), CHARGE));
    drop(CHARGE.key("k").engine(&engine()).returning::<Result<(), Error>>());
    assert_eq!(captured.counted(), []);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_record_that_is_dropped_is_dropped() {
    let captured = Captured::start();
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).fail_open().build();
    timeout(secs(1), hangs(&engine, CHARGE)).await.unwrap_err();
    assert_eq!(captured.end(), "dropped none");
}
