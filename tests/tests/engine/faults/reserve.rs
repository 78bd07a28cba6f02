//! Faults of `reserve`.

use std::thread;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::store::StoreErrorKind;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::{Runs, call, call_for, millis, secs, settle};
use tokio::time::{Duration, Instant, sleep};

use super::{End, ONCE, end, faulty};

/// How a call ended whose reserve meets a fault, after how long, and how the next one ended; with
/// the runs of the body after each.
async fn meets(fault: Fault) -> ((End, usize, Duration), (End, usize)) {
    let ((engine, _), runs) = (faulty(StoreMethod::Reserve, When::Nth(1), fault), Runs::new());
    let start = Instant::now();
    let first = end(call(&engine, ONCE, "k", &runs).await);
    let first = (first, runs.count(), start.elapsed());
    settle().await;
    let next = end(call(&engine, ONCE, "k", &runs).await);
    (first, (next, runs.count()))
}

const UNAVAILABLE: End = Err("store_unavailable");

#[tokio::test(start_paused = true)]
async fn a_reserve_that_fails_is_a_store_error_and_the_next_call_runs() {
    let (first, next) = meets(Fault::Fail).await;
    assert_eq!(first, (UNAVAILABLE, 0, secs(0)));
    assert_eq!(next, (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_store_without_room_is_a_store_error() {
    let (first, next) = meets(Fault::FailAs(StoreErrorKind::Full)).await;
    assert_eq!(first, (UNAVAILABLE, 0, secs(0)));
    assert_eq!(next, (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_incompatible_and_runs_nothing() {
    let (first, _) = meets(Fault::FailAs(StoreErrorKind::Malformed)).await;
    assert_eq!(first, (Err("incompatible_record"), 0, secs(0)));
}

#[tokio::test(start_paused = true)]
async fn a_reserve_whose_answer_is_lost_is_a_store_error_and_released_by_a_task() {
    let (first, next) = meets(Fault::LoseAnswer).await;
    assert_eq!(first, (UNAVAILABLE, 0, secs(0)));
    assert_eq!(next, (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_reserve_that_hangs_is_a_store_error_after_the_stores_time() {
    let (first, next) = meets(Fault::Hang).await;
    assert_eq!(first, (UNAVAILABLE, 0, secs(5)));
    assert_eq!(next, (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_reserve_that_hangs_after_it_was_done_is_a_store_error_and_released_by_a_task() {
    let (first, next) = meets(Fault::HangAfter).await;
    assert_eq!(first, (UNAVAILABLE, 0, secs(5)));
    assert_eq!(next, (Ok(1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reserve_wins_all_the_same() {
    for fault in [Fault::Delay(secs(4)), Fault::DelayAnswer(secs(4))] {
        let (first, next) = meets(fault).await;
        assert_eq!(first, (Ok(1), 1, secs(4)));
        assert_eq!(next, (Ok(1), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reserve_that_is_too_slow_is_a_store_error() {
    for fault in [Fault::Delay(secs(6)), Fault::DelayAnswer(secs(6))] {
        let (first, next) = meets(fault).await;
        assert_eq!(first, (UNAVAILABLE, 0, secs(5)));
        assert_eq!(next, (Ok(1), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reserve_that_arrives_twice_wins_once() {
    let (first, next) = meets(Fault::Repeat).await;
    assert_eq!(first, (Ok(1), 1, secs(0)));
    assert_eq!(next, (Ok(1), 1));
}

/// Its answer is there in time, and its thread is blocked until the lease has lapsed.
#[test]
fn a_body_on_a_blocked_thread_does_not_start_past_its_lease() {
    let (store, runs) = (MemoryStore::new(), Runs::new());
    let short = super::AT_LEAST_ONCE.lease(millis(200));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (late, other) = runtime().block_on(async {
        let slow = FaultyStore::new(store.clone());
        let slow = slow.on(StoreMethod::Reserve, When::Nth(1), Fault::DelayAnswer(millis(50)));
        let engine = Idempotency::new(slow);
        let blocked = async {
            thread::sleep(millis(400));
            let (other, runs) = (Idempotency::new(store.clone()), runs.clone());
            let take = move || runtime().block_on(call(&other, short, "k", &runs));
            thread::spawn(take).join().unwrap()
        };
        tokio::join!(biased; call(&engine, short, "k", &runs), blocked)
    });
    assert_eq!((end(late), end(other)), (UNAVAILABLE, Ok(1)));
    assert_eq!(runs.count(), 1);
}

/// Its answer comes after the lease has lapsed: another call may have won since.
#[tokio::test(start_paused = true)]
async fn a_body_does_not_start_once_its_lease_could_have_lapsed() {
    let fault = Fault::DelayAnswer(secs(4));
    let ((engine, _), runs) = (faulty(StoreMethod::Reserve, When::Nth(1), fault), Runs::new());
    let short = super::AT_LEAST_ONCE.lease(secs(2));
    let late = tokio::spawn({
        let (engine, runs) = (engine.clone(), runs.clone());
        async move { end(call(&engine, short, "k", &runs).await) }
    });
    sleep(millis(2500)).await;
    assert_eq!(end(call(&engine, short, "k", &runs).await), Ok(1));
    assert_eq!(late.await.unwrap(), UNAVAILABLE);
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_release_of_a_reserve_whose_answer_was_lost_is_sent_again() {
    let ((engine, store), runs) =
        (faulty(StoreMethod::Reserve, When::Nth(1), Fault::LoseAnswer), Runs::new());
    store.inject(StoreMethod::Release, When::Nth(1), Fault::Fail);
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), UNAVAILABLE);
    sleep(secs(6)).await;
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_reserve_fails_is_a_store_error_and_the_running_call_is_recorded() {
    for fault in [Fault::Fail, Fault::LoseAnswer, Fault::Hang, Fault::HangAfter] {
        let ((engine, _), runs) = (faulty(StoreMethod::Reserve, When::Nth(3), fault), Runs::new());
        let first = call_for(&engine, ONCE, "k", &runs, secs(10));
        settle().await;
        let waiter = end(call(&engine, ONCE.wait(secs(60)), "k", &runs).await);
        assert_eq!(waiter, UNAVAILABLE, "{fault:?}");
        assert_eq!(end(first.await.unwrap()), Ok(1));
        assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
        assert_eq!(runs.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_time_is_up_while_the_store_is_slow_is_in_progress() {
    let ((engine, _), runs) =
        (faulty(StoreMethod::Reserve, When::Nth(3), Fault::Delay(secs(3))), Runs::new());
    let first = call_for(&engine, ONCE, "k", &runs, secs(10));
    settle().await;
    let start = Instant::now();
    let waiter = end(call(&engine, ONCE.wait(millis(10_500)), "k", &runs).await);
    assert_eq!((waiter, start.elapsed()), (Err("in_progress"), millis(10_500)));
    assert_eq!(end(first.await.unwrap()), Ok(1));
}
