//! Futures that are dropped, bodies that panic, and the four ends of a reservation.

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::Inspection;
use idempotent_core::store::State;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Reservation};
use idempotent_tests::{Answer, Log, Runs, call, engine, millis, secs, settle};
use tokio::time::{advance, sleep, timeout};

const CHARGE: Operation = Operation::new("charge").lease(secs(30)).ttl(secs(3600));
const AT_MOST_ONCE: Operation = CHARGE.guarantee(Guarantee::AtMostOnce);

async fn inspect(engine: &Idempotency) -> Option<Inspection> {
    let id = engine.record_id("charge", None, "k").unwrap();
    engine.inspect(&id).await.unwrap()
}

async fn state(engine: &Idempotency) -> Option<State> {
    inspect(engine).await.map(|seen| seen.state())
}

fn slow_to(call: StoreMethod, fault: Fault) -> Idempotency {
    Idempotency::new(FaultyStore::new(MemoryStore::new()).on(call, When::Nth(1), fault))
}

#[tokio::test(start_paused = true)]
async fn dropped_before_it_was_polled_a_call_has_asked_nothing() {
    let store = FaultyStore::new(MemoryStore::new());
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    drop(call(&engine, CHARGE, "k", &runs));
    settle().await;
    assert_eq!(store.calls(StoreMethod::Reserve), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_reserve_is_on_its_way_the_reservation_is_released_by_a_task() {
    let runs = Runs::new();
    let engine = slow_to(StoreMethod::Reserve, Fault::Delay(secs(2)));
    timeout(secs(1), call(&engine, AT_MOST_ONCE, "k", &runs)).await.unwrap_err();
    assert_eq!(state(&engine).await, None);
    sleep(millis(1100)).await;
    assert_eq!(state(&engine).await, None, "it was reserved, and not released");
    assert_eq!(call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_answer_is_on_its_way_the_reservation_is_released_by_a_task() {
    let runs = Runs::new();
    let engine = slow_to(StoreMethod::Reserve, Fault::DelayAnswer(secs(2)));
    timeout(secs(1), call(&engine, AT_MOST_ONCE, "k", &runs)).await.unwrap_err();
    assert_eq!(state(&engine).await, Some(State::Reserved));
    sleep(millis(1100)).await;
    assert_eq!(state(&engine).await, None);
    assert_eq!(runs.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_a_waiters_reserve_is_on_its_way_the_reservation_is_released() {
    let store = FaultyStore::new(MemoryStore::new());
    let store = store.on(StoreMethod::Reserve, When::Nth(3), Fault::DelayAnswer(secs(2)));
    let (engine, runs) = (Idempotency::new(store), Runs::new());
    let first = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let BeginOutcome::Reserved(first) = first.begin().await.unwrap() else { panic!("replayed") };
    let waiter = tokio::spawn({
        let (engine, runs) = (engine.clone(), runs.clone());
        async move { call(&engine, CHARGE.wait(secs(20)), "k", &runs).await }
    });
    settle().await;
    first.release().await;
    // The waiter looked once, was woken, and has now won, but does not know it.
    settle().await;
    waiter.abort();
    settle().await;
    sleep(secs(3)).await;
    assert_eq!((state(&engine).await, runs.count()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_body_runs_the_key_is_held() {
    let (engine, runs) = (engine(), Runs::new());
    let body = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let run = body.run(|| async {
        runs.note();
        sleep(secs(60)).await;
        Ok(1)
    });
    timeout(secs(10), run).await.unwrap_err();
    assert_eq!(state(&engine).await, Some(State::Reserved));
    // Its last renewal was at ten seconds at the latest.
    sleep(secs(30)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_body_runs_the_outcome_is_not_known_under_at_most_once() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    let body = AT_MOST_ONCE.key("k").engine(&engine).returning::<Answer>();
    let run = body.run(|| async {
        sleep(secs(60)).await;
        Ok(1)
    });
    timeout(secs(5), run).await.unwrap_err();
    assert_eq!(log.events("a body was dropped while it ran").len(), 1);
    sleep(secs(30)).await;
    let refused = call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Indeterminate, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_its_result_is_recorded_the_recording_goes_on() {
    for fault in [Fault::Delay(secs(2)), Fault::DelayAnswer(secs(2)), Fault::Fail] {
        let (engine, runs) = (slow_to(StoreMethod::Complete, fault), Runs::new());
        timeout(millis(10), call(&engine, AT_MOST_ONCE, "k", &runs)).await.unwrap_err();
        assert_eq!(runs.count(), 1);
        sleep(secs(3)).await;
        assert_eq!(call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_while_its_release_is_sent_the_key_is_released() {
    let (engine, runs) = (slow_to(StoreMethod::Release, Fault::Delay(secs(2))), Runs::new());
    let failing = AT_MOST_ONCE.key("k").engine(&engine).returning::<Result<u8, Foreign>>();
    timeout(secs(1), failing.run(|| async { Err(Foreign) })).await.unwrap_err();
    sleep(secs(2)).await;
    assert_eq!(call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap(), 1);
}

#[derive(Debug)]
struct Foreign;

impl From<Error> for Foreign {
    fn from(_: Error) -> Self {
        Self
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_body_that_panicked_is_free_at_once() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    let body = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let panic = tokio::spawn(body.run(|| async { panic!("half way") })).await.unwrap_err();
    assert_eq!(*panic.into_panic().downcast::<&str>().unwrap(), "half way");
    assert_eq!(log.events("a call panicked before its end was known").len(), 1);
    engine.drain().await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_body_is_indeterminate_at_once_under_at_most_once() {
    let (engine, runs) = (engine(), Runs::new());
    let body = AT_MOST_ONCE.key("k").engine(&engine).returning::<Answer>();
    tokio::spawn(body.run(|| async { panic!("half way") })).await.unwrap_err();
    engine.drain().await;
    assert_eq!(inspect(&engine).await.unwrap().last_error(), Some("the body panicked"));
    let refused = call(&engine, AT_MOST_ONCE, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Indeterminate, 0));
}

fn charge_and_panic() -> std::future::Ready<Answer> {
    panic!("half way, before there was a future")
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_before_it_gives_a_future_leaves_an_unknown_outcome() {
    let engine = engine();
    let body = AT_MOST_ONCE.key("k").engine(&engine).returning::<Answer>();
    tokio::spawn(body.run(charge_and_panic)).await.unwrap_err();
    engine.drain().await;
    assert_eq!(state(&engine).await, Some(State::Indeterminate));
    let body = AT_MOST_ONCE.key("detached").engine(&engine).returning::<Answer>();
    tokio::spawn(body.run_detached(charge_and_panic)).await.unwrap_err();
    engine.drain().await;
    let id = engine.record_id("charge", None, "detached").unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().unwrap().state(), State::Indeterminate);
}

#[tokio::test(start_paused = true)]
async fn a_disposition_that_panics_leaves_a_tombstone() {
    let (engine, runs) = (engine(), Runs::new());
    let body = CHARGE.key("k").engine(&engine).returning::<Result<u8, Foreign>>();
    let body = body.on_error(|_| panic!("no idea"));
    tokio::spawn(body.run(|| async { Err(Foreign) })).await.unwrap_err();
    engine.drain().await;
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::ResultNotKept, 0));
}

async fn begin(engine: &Idempotency) -> Reservation<usize, Error> {
    match CHARGE.key("k").engine(engine).returning::<Answer>().begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_reservation_is_replayed() {
    let (engine, runs) = (engine(), Runs::new());
    begin(&engine).await.complete(&Ok(7)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 7);
    let again = CHARGE.key("k").engine(&engine).returning::<Answer>().begin().await.unwrap();
    assert!(matches!(again, BeginOutcome::Replayed(Ok(7))));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_finished_with_an_error_goes_by_its_disposition() {
    let (engine, runs) = (engine(), Runs::new());
    let refused = call(&engine, CHARGE.ttl(secs(0)), "k", &runs).await.unwrap_err();
    begin(&engine).await.complete(&Err(refused)).await;
    assert_eq!(state(&engine).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_released_reservation_leaves_its_key_vacant() {
    let (engine, runs) = (engine(), Runs::new());
    begin(&engine).await.release().await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_held_reservation_keeps_its_key_until_the_lease_ends() {
    let (engine, runs) = (engine(), Runs::new());
    begin(&engine).await.hold_for_lease().await;
    advance(secs(29)).await;
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Held);
    advance(secs(1)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reservation_holds_its_key() {
    let (engine, runs) = (engine(), Runs::new());
    drop(begin(&engine).await);
    advance(secs(29)).await;
    assert_eq!(state(&engine).await, Some(State::Reserved));
    advance(secs(1)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_renewed_while_it_lives() {
    let (engine, runs) = (engine(), Runs::new());
    let reservation = begin(&engine).await;
    sleep(secs(100)).await;
    let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    reservation.complete(&Ok(7)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_tells_its_record_and_its_token() {
    let engine = engine();
    let reservation = begin(&engine).await;
    let seen = inspect(&engine).await.unwrap();
    assert_eq!(reservation.record_id(), Some(seen.id()));
    assert_eq!(reservation.token(), Some(seen.token()));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_a_reservation_is_finished_the_recording_goes_on() {
    let (engine, runs) = (slow_to(StoreMethod::Complete, Fault::Delay(secs(2))), Runs::new());
    let reservation = begin(&engine).await;
    timeout(secs(1), reservation.complete(&Ok(7))).await.unwrap_err();
    sleep(secs(2)).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 7);
}
