//! Leases that lapse under a running body, and owners that finish late.

use std::sync::Arc;

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::{BeginOutcome, CallOutcome};
use idempotent_core::store::State;
use idempotent_core::testing::ManualClock;
use idempotent_core::{ErrorKind, Guarantee, Idempotency, Operation, Reservation};
use idempotent_tests::{Answer, Log, Runs, call, secs};

const CHARGE: Operation = Operation::new("charge").lease(secs(30)).ttl(secs(3600));
const AT_MOST_ONCE: Operation = CHARGE.guarantee(Guarantee::AtMostOnce);

/// An engine whose store's clock runs apart from its own: leases lapse without the owner noticing.
fn apart() -> (Idempotency, ManualClock) {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    (Idempotency::new(store), clock)
}

async fn begin(
    engine: &Idempotency,
    operation: Operation,
) -> Reservation<usize, idempotent_core::Error> {
    match operation.key("k").engine(engine).returning::<Answer>().begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

/// Runs a body during which the lease lapses and then `meanwhile` happens.
async fn lapse_in(
    engine: &Idempotency,
    clock: &ManualClock,
    operation: Operation,
    meanwhile: impl Future<Output = ()>,
) -> (Answer, CallOutcome) {
    let call = operation.key("k").engine(engine).returning::<Answer>();
    call.run_with_outcome(|| async {
        clock.advance(secs(31));
        meanwhile.await;
        Ok(100)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_late_finisher_whose_key_nobody_took_is_recorded() {
    for operation in [CHARGE, AT_MOST_ONCE] {
        let ((engine, clock), runs) = (apart(), Runs::new());
        let (own, _) = lapse_in(&engine, &clock, operation, async {}).await;
        assert_eq!(own.unwrap(), 100);
        assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 100);
        assert_eq!(runs.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_finisher_does_not_touch_the_record_of_a_successor_that_completed() {
    let (log, _listening) = Log::listen();
    let ((engine, clock), runs) = (apart(), Runs::new());
    let successor = async {
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    };
    let (own, _) = lapse_in(&engine, &clock, CHARGE, successor).await;
    assert_eq!(own.unwrap(), 100, "its own caller gets its own result");
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    assert_eq!(log.events("ended after another one had taken its key").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_finisher_does_not_touch_the_reservation_of_a_successor_that_runs() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    let mut successor = None;
    let taken = async { successor = Some(begin(&engine, CHARGE).await) };
    let (own, _) = lapse_in(&engine, &clock, CHARGE, taken).await;
    assert_eq!(own.unwrap(), 100);
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    successor.unwrap().complete(&Ok(200)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_does_not_release_its_successors_reservation() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    let late = begin(&engine, CHARGE).await;
    clock.advance(secs(31));
    let successor = begin(&engine, CHARGE).await;
    late.release().await;
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    successor.complete(&Ok(200)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_does_not_renew_its_successors_reservation() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    let late = begin(&engine, CHARGE).await;
    clock.advance(secs(31));
    begin(&engine, CHARGE).await.hold_for_lease().await;
    // By now the late owner has sent its renewal.
    clock.advance(secs(20));
    tokio::time::sleep(secs(11)).await;
    clock.advance(secs(11));
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    drop(late);
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_call_under_at_most_once_is_indeterminate_until_its_late_owner_completes_it() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    let refused = async {
        let refused = call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    };
    let (own, _) = lapse_in(&engine, &clock, AT_MOST_ONCE, refused).await;
    assert_eq!(own.unwrap(), 100);
    assert_eq!(call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap(), 100);
    assert_eq!(runs.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_guarantee_of_the_reservation_governs_its_lapse_and_not_the_callers() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    begin(&engine, AT_MOST_ONCE).await.hold_for_lease().await;
    clock.advance(secs(31));
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);

    let (engine, clock) = apart();
    begin(&engine, CHARGE).await.hold_for_lease().await;
    clock.advance(secs(31));
    assert_eq!(call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_takes_a_key_whose_lease_lapsed_under_at_least_once() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    let _running = begin(&engine, CHARGE).await;
    let waiter = tokio::spawn({
        let (engine, runs) = (engine.clone(), runs.clone());
        async move { call(&engine, CHARGE.wait(secs(60)), "k", &runs).await }
    });
    idempotent_tests::settle().await;
    clock.advance(secs(30));
    assert_eq!(waiter.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_refused_when_the_lease_lapses_under_at_most_once() {
    let ((engine, clock), runs) = (apart(), Runs::new());
    let _running = begin(&engine, AT_MOST_ONCE).await;
    let waiter = tokio::spawn({
        let (engine, runs) = (engine.clone(), runs.clone());
        async move { call(&engine, AT_MOST_ONCE.wait(secs(60)), "k", &runs).await }
    });
    idempotent_tests::settle().await;
    clock.advance(secs(30));
    let refused = waiter.await.unwrap().unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Indeterminate, 0));
}

#[tokio::test(start_paused = true)]
async fn an_indeterminate_key_is_vacant_once_its_retention_ends_and_the_log_says_so() {
    let (log, _listening) = Log::listen();
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    let engine = Idempotency::builder(store).retention(secs(1000)).build();
    let runs = Runs::new();
    begin(&engine, AT_MOST_ONCE).await.hold_for_lease().await;
    clock.advance(secs(1029));
    let refused = call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    clock.advance(secs(1));
    assert_eq!(call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap(), 1);
    assert_eq!(log.events("not resolved within its retention").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_finisher_says_that_it_was_late() {
    let (log, _listening) = Log::listen();
    let (engine, clock) = apart();
    let operation = CHARGE;
    let lapsing = async {
        // The heartbeat finds out.
        tokio::time::sleep(secs(11)).await;
        assert_eq!(log.events("a running call lost its lease").len(), 1);
    };
    lapse_in(&engine, &clock, operation, lapsing).await.0.unwrap();
    assert_eq!(log.events("a call that had lost its lease was recorded nevertheless").len(), 1);
    let id = engine.record_id("charge", None, "k").unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().unwrap().state(), State::Completed);
}
