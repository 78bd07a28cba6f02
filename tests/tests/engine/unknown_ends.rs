//! Calls that end without knowing what they did, and keys that are held.

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::model::OwnerState;
use idempotent_core::store::State;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Reservation};
use idempotent_tests::{Answer, Runs, call, engine, secs, settle};
use tokio::task::JoinSet;
use tokio::time::advance;

const CHARGE: Operation = Operation::new("charge").lease(secs(30)).ttl(secs(3600));
const AT_MOST_ONCE: Operation = CHARGE.guarantee(Guarantee::AtMostOnce);

async fn begin(engine: &Idempotency, operation: Operation) -> Reservation<usize, Error> {
    let call = operation.key("k").engine(engine).scope("acme").returning::<Answer>();
    match call.begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

async fn refusal(engine: &Idempotency, operation: Operation) -> Error {
    let call = operation.key("k").engine(engine).scope("acme").returning::<Answer>();
    call.begin().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_key_is_free_at_once_under_at_least_once() {
    let engine = engine();
    begin(&engine, CHARGE).await.abandon().await;
    begin(&engine, CHARGE).await.release().await;
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_record_is_indeterminate_at_once_under_at_most_once_and_says_why() {
    let engine = engine();
    begin(&engine, AT_MOST_ONCE).await.abandon().await;
    let refused = refusal(&engine, AT_MOST_ONCE).await;
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    assert!(refused.to_string().contains("ended without knowing"), "{refused}");
    let id = engine.record_id("charge", Some(&"acme"), "k").unwrap();
    let seen = engine.inspect(&id).await.unwrap().unwrap();
    assert_eq!((seen.state(), seen.owner_state()), (State::Indeterminate, OwnerState::Abandoned));
    assert_eq!((seen.key(), seen.scope()), (Some("k"), Some("acme")));
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_owner_vanished_is_told_from_an_abandoned_one() {
    let store = FaultyStore::new(MemoryStore::new());
    let engine = Idempotency::new(store.on(StoreMethod::Abandon, When::Always, Fault::Fail));
    drop(begin(&engine, AT_MOST_ONCE).await);
    advance(secs(31)).await;
    let refused = refusal(&engine, AT_MOST_ONCE).await;
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    assert!(refused.to_string().contains("its owner was lost"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_to_abandon_lets_the_lease_lapse() {
    let store = FaultyStore::new(MemoryStore::new());
    let engine = Idempotency::new(store.on(StoreMethod::Abandon, When::Always, Fault::Fail));
    begin(&engine, AT_MOST_ONCE).await.abandon().await;
    assert_eq!(refusal(&engine, AT_MOST_ONCE).await.kind(), ErrorKind::InProgress);
    advance(secs(31)).await;
    assert_eq!(refusal(&engine, AT_MOST_ONCE).await.kind(), ErrorKind::Indeterminate);
}

#[tokio::test(start_paused = true)]
async fn a_held_key_is_refused_for_what_is_left_of_its_lease_and_nobody_waits_for_it() {
    let engine = engine();
    begin(&engine, CHARGE).await.hold_for_lease().await;
    advance(secs(10)).await;
    let start = tokio::time::Instant::now();
    let refused = refusal(&engine, CHARGE.wait(secs(60))).await;
    assert_eq!((refused.kind(), start.elapsed()), (ErrorKind::Held, secs(0)));
    assert_eq!(refused.retry_after(), Some(secs(20)));
    advance(secs(20)).await;
    begin(&engine, CHARGE).await.release().await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_told_when_the_key_is_held() {
    let engine = engine();
    let running = begin(&engine, CHARGE).await;
    let waiter = tokio::spawn({
        let engine = engine.clone();
        async move { refusal(&engine, CHARGE.wait(secs(60))).await }
    });
    settle().await;
    running.hold_for_lease().await;
    assert_eq!(waiter.await.unwrap().kind(), ErrorKind::Held);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_waiters_do_not_run_a_failing_body_one_after_the_other() {
    let (engine, runs) = (engine(), Runs::new());
    let first = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let BeginOutcome::Reserved(first) = first.begin().await.unwrap() else { panic!("replayed") };
    let mut waiters = JoinSet::new();
    for _ in 0..100 {
        let (engine, runs) = (engine.clone(), runs.clone());
        waiters.spawn(async move { call(&engine, CHARGE.wait(secs(60)), "k", &runs).await });
    }
    settle().await;
    first.abandon().await;
    for told in waiters.join_all().await {
        let refused = told.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::OwnerFailed);
        assert!(refused.is_retryable() && refused.retry_after().is_some());
    }
    assert_eq!(runs.count(), 0);
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}
