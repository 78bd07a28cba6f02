//! Faults of `renew`, while a body runs for more than three leases.

use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_tests::{Log, Runs, call, call_for, secs};
use tokio::time::sleep;

use super::{AT_LEAST_ONCE, ONCE, end, faulty};

/// The lease is kept through a fault that befalls one renewal, or two in a row.
async fn is_survived(fault: Fault) {
    for when in [When::Nth(1), When::Nth(2), When::Nth(5)] {
        let (log, _listening) = Log::listen();
        let ((engine, _), runs) = (faulty(StoreMethod::Renew, when, fault), Runs::new());
        let first = call_for(&engine, ONCE, "k", &runs, secs(100));
        for _ in 0..9 {
            sleep(secs(11)).await;
            assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Err("in_progress"));
        }
        assert_eq!(end(first.await.unwrap()), Ok(1));
        assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
        assert_eq!(runs.count(), 1);
        assert_eq!(log.events("lost its lease").len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again() {
    is_survived(Fault::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_is_tried_again() {
    is_survived(Fault::LoseAnswer).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_is_tried_again() {
    is_survived(Fault::Hang).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_after_it_was_done_is_tried_again() {
    is_survived(Fault::HangAfter).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_renewal_is_as_good_as_any() {
    is_survived(Fault::Delay(secs(4))).await;
    is_survived(Fault::Delay(secs(9))).await;
    is_survived(Fault::DelayAnswer(secs(9))).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_arrives_twice_is_as_good_as_any() {
    is_survived(Fault::Repeat).await;
}

#[tokio::test(start_paused = true)]
async fn while_no_renewal_succeeds_the_lease_lapses_and_at_least_once_runs_again() {
    for fault in [Fault::Fail, Fault::Hang] {
        let (log, _listening) = Log::listen();
        let ((engine, _), runs) = (faulty(StoreMethod::Renew, When::Always, fault), Runs::new());
        let first = call_for(&engine, AT_LEAST_ONCE, "k", &runs, secs(100));
        sleep(secs(31)).await;
        assert_eq!(end(call(&engine, AT_LEAST_ONCE, "k", &runs).await), Ok(2));
        assert_eq!(end(first.await.unwrap()), Ok(1), "its caller gets its own result");
        assert_eq!(end(call(&engine, AT_LEAST_ONCE, "k", &runs).await), Ok(2));
        assert_eq!(log.events("a running call lost its lease").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn while_no_renewal_succeeds_the_lease_lapses_and_at_most_once_does_not_know() {
    let ((engine, _), runs) = (faulty(StoreMethod::Renew, When::Always, Fault::Fail), Runs::new());
    let first = call_for(&engine, ONCE, "k", &runs, secs(100));
    sleep(secs(31)).await;
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Err("indeterminate"));
    assert_eq!(end(first.await.unwrap()), Ok(1));
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_was_on_its_way_when_the_call_ended_is_no_lost_lease() {
    let (log, _listening) = Log::listen();
    let ((engine, _), runs) =
        (faulty(StoreMethod::Renew, When::Always, Fault::Delay(secs(4))), Runs::new());
    let first = call_for(&engine, ONCE, "k", &runs, secs(12));
    assert_eq!(end(first.await.unwrap()), Ok(1));
    sleep(secs(10)).await;
    assert_eq!(log.events("lost its lease").len(), 0);
}
