//! Faults of `complete`.

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::{Log, Runs, call, secs};
use metrics_util::debugging::DebuggingRecorder;
use tokio::time::{Duration, Instant, sleep};

use super::{AT_LEAST_ONCE, End, ONCE, end, faulty};
use crate::telemetry::counter;

/// How a call ended whose complete meets a fault once, after how long, and how the next one ended.
async fn meets(fault: Fault) -> (End, Duration, End, usize) {
    let ((engine, _), runs) = (faulty(StoreMethod::Complete, When::Nth(1), fault), Runs::new());
    let start = Instant::now();
    let first = end(call(&engine, ONCE, "k", &runs).await);
    let took = start.elapsed();
    let next = end(call(&engine, ONCE, "k", &runs).await);
    (first, took, next, runs.count())
}

async fn is_recorded_within(limit: Duration, fault: Fault) {
    let (first, took, next, runs) = meets(fault).await;
    assert_eq!((first, next, runs), (Ok(1), Ok(1), 1));
    assert!(took <= limit, "the caller waited {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_fails_is_tried_again() {
    is_recorded_within(secs(1), Fault::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn a_complete_whose_answer_is_lost_is_recorded() {
    is_recorded_within(secs(1), Fault::LoseAnswer).await;
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_hangs_is_tried_again() {
    is_recorded_within(secs(6), Fault::Hang).await;
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_hangs_after_it_was_done_is_recorded() {
    is_recorded_within(secs(6), Fault::HangAfter).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_complete_is_recorded() {
    is_recorded_within(secs(4), Fault::Delay(secs(4))).await;
    is_recorded_within(secs(4), Fault::DelayAnswer(secs(4))).await;
    is_recorded_within(secs(6), Fault::Delay(secs(9))).await;
    is_recorded_within(secs(6), Fault::DelayAnswer(secs(9))).await;
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_arrives_twice_is_recorded_once() {
    is_recorded_within(secs(0), Fault::Repeat).await;
}

#[tokio::test(start_paused = true)]
async fn while_no_complete_succeeds_the_caller_has_its_result_soon_and_a_task_goes_on() {
    let ((engine, store), runs) =
        (faulty(StoreMethod::Complete, When::Always, Fault::Fail), Runs::new());
    let start = Instant::now();
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    assert!(start.elapsed() < secs(1), "{:?}", start.elapsed());
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Err("in_progress"));
    sleep(secs(20)).await;
    store.heal();
    sleep(secs(3)).await;
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    assert_eq!(runs.count(), 1);
}

/// A store that is down for good from some call on.
fn down_from(completes: usize) -> Idempotency {
    let store = FaultyStore::new(MemoryStore::new());
    let store = store.on(StoreMethod::Complete, When::From(completes), Fault::Fail);
    Idempotency::new(store.on(StoreMethod::Renew, When::Always, Fault::Fail))
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_recorded_within_the_lease_is_counted_and_logged() {
    let (log, _listening) = Log::listen();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (engine, runs) = (down_from(1), Runs::new());
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    assert_eq!(log.events("result could not be recorded").len(), 0);
    sleep(secs(35)).await;
    let lines = log.events("result could not be recorded");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].level, tracing::Level::ERROR);
    assert_eq!(
        counter(&snapshotter, "idempotent_lost_results_total", &[("operation", "charge")]),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_result_at_most_once_does_not_know_and_at_least_once_runs_again() {
    let (engine, runs) = (down_from(1), Runs::new());
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    sleep(secs(35)).await;
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Err("indeterminate"));
    assert_eq!(runs.count(), 1);

    let (engine, runs) = (down_from(1), Runs::new());
    assert_eq!(end(call(&engine, AT_LEAST_ONCE, "k", &runs).await), Ok(1));
    sleep(secs(35)).await;
    assert_eq!(end(call(&engine, AT_LEAST_ONCE, "k", &runs).await), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_complete_whose_answer_was_lost_is_no_lost_lease() {
    let (log, _listening) = Log::listen();
    let store = FaultyStore::new(MemoryStore::new());
    let store = store.on(StoreMethod::Complete, When::From(1), Fault::LoseAnswer);
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    sleep(secs(15)).await;
    store.heal();
    sleep(secs(15)).await;
    assert_eq!(end(call(&engine, ONCE, "k", &runs).await), Ok(1));
    assert_eq!(log.events("lost its lease").len(), 0);
    assert_eq!(log.events("had lost its lease").len(), 0);
}
