//! Faults of `release`, as a body that fails sends it.

use idempotent_core::Idempotency;
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_tests::{Fail, Runs, call, secs};
use tokio::time::{Duration, Instant, sleep};

use super::{AT_LEAST_ONCE, ONCE, end, faulty};

async fn fail(engine: &Idempotency) -> Duration {
    let start = Instant::now();
    let failing = ONCE.key("k").engine(engine).returning::<Result<usize, Fail>>();
    assert_eq!(failing.run(|| async { Err(Fail::Invalid) }).await, Err(Fail::Invalid));
    start.elapsed()
}

async fn is_vacant_within(limit: Duration, fault: Fault) {
    let ((engine, _), runs) = (faulty(StoreMethod::Release, When::Nth(1), fault), Runs::new());
    let took = fail(&engine).await;
    assert!(took <= limit, "the caller waited {took:?}");
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_is_tried_again() {
    is_vacant_within(secs(1), Fault::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_is_lost_has_released() {
    is_vacant_within(secs(1), Fault::LoseAnswer).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_that_hangs_is_tried_again() {
    is_vacant_within(secs(6), Fault::Hang).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_that_hangs_after_it_was_done_has_released() {
    is_vacant_within(secs(6), Fault::HangAfter).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_release_releases() {
    is_vacant_within(secs(4), Fault::Delay(secs(4))).await;
    is_vacant_within(secs(6), Fault::Delay(secs(9))).await;
    is_vacant_within(secs(6), Fault::DelayAnswer(secs(9))).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_that_arrives_twice_releases_once() {
    is_vacant_within(secs(0), Fault::Repeat).await;
}

#[tokio::test(start_paused = true)]
async fn while_no_release_succeeds_the_caller_has_its_error_soon_and_a_task_goes_on() {
    let ((engine, store), runs) =
        (faulty(StoreMethod::Release, When::Always, Fault::Fail), Runs::new());
    assert!(fail(&engine).await < secs(1));
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Err("in_progress"));
    sleep(secs(10)).await;
    store.heal();
    sleep(secs(3)).await;
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_released_lapses_with_its_lease() {
    let ((engine, _), runs) =
        (faulty(StoreMethod::Release, When::Always, Fault::Fail), Runs::new());
    let failing = AT_LEAST_ONCE.key("k").engine(&engine).returning::<Result<usize, Fail>>();
    failing.run(|| async { Err(Fail::Invalid) }).await.unwrap_err();
    sleep(secs(31)).await;
    assert_eq!(end(call(&engine, AT_LEAST_ONCE, "k", &runs).await), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_late_release_does_not_touch_a_successor() {
    let ((engine, _), runs) =
        (faulty(StoreMethod::Release, When::Nth(1), Fault::LoseAnswer), Runs::new());
    let failing = ONCE.key("k").engine(&engine).returning::<Result<usize, Fail>>();
    // The release is done, its answer lost, and before it is sent again another call has the key.
    let failed = tokio::spawn(failing.run(|| async { Err(Fail::Invalid) }));
    idempotent_tests::settle().await;
    let successor = idempotent_tests::call_for(&engine, ONCE, "k", &runs, secs(5));
    idempotent_tests::settle().await;
    failed.await.unwrap().unwrap_err();
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Err("in_progress"));
    assert_eq!(end(successor.await.unwrap()), Ok(1));
}
