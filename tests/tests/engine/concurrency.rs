//! Many callers of one key.

use std::sync::Arc;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use idempotent_core::{ErrorKind, Operation};
use idempotent_tests::{Answer, Fail, Runs, SOON, call, call_for, engine, millis, secs, settle};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

const REFUSING: Operation = Operation::new("charge");
const WAITING: Operation = REFUSING.wait(secs(10));
const CALLERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_callers_that_wait_one_runs_and_all_get_its_result() {
    let (engine, runs) = (engine(), Runs::new());
    let callers = (0..CALLERS).map(|_| call_for(&engine, WAITING, "k", &runs, millis(50)));
    let callers: Vec<_> = callers.collect();
    for answer in join_all(callers).await {
        assert_eq!(answer.unwrap().unwrap(), 1);
    }
    assert_eq!(runs.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_callers_that_do_not_wait_one_runs_and_the_others_are_refused() {
    let (engine, runs, enough) = (engine(), Runs::new(), Arc::new(Semaphore::new(0)));
    let callers = (0..CALLERS).map(|_| {
        let call = REFUSING.key("k").engine(&engine).returning::<Answer>();
        let (runs, enough) = (runs.clone(), Arc::clone(&enough));
        tokio::spawn(call.run(move || async move {
            let run = runs.note();
            enough.acquire().await.unwrap().forget();
            Ok(run)
        }))
    });
    let mut callers: FuturesUnordered<_> = callers.collect();
    // The one that runs ends last: it waits for the others.
    for _ in 1..CALLERS {
        let refused = timeout(SOON, callers.next()).await.unwrap().unwrap().unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InProgress);
    }
    enough.add_permits(1);
    assert_eq!(callers.next().await.unwrap().unwrap().unwrap(), 1);
    assert_eq!(runs.count(), 1);
    assert_eq!(call(&engine, REFUSING, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_of_different_keys_do_not_hinder_each_other() {
    let (engine, runs) = (engine(), Runs::new());
    let start = Instant::now();
    let keys: Vec<_> = (0..CALLERS).map(|i| i.to_string()).collect();
    let callers: Vec<_> =
        keys.iter().map(|key| call_for(&engine, REFUSING, key, &runs, secs(1))).collect();
    for answer in join_all(callers).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(runs.count(), CALLERS);
    assert_eq!(start.elapsed(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn waiters_on_a_body_that_fails_compete_in_turn_and_end_within_their_time() {
    let (engine, runs) = (engine(), Runs::new());
    let start = Instant::now();
    let callers = (0..CALLERS).map(|_| {
        let call = WAITING.key("k").engine(&engine).returning::<Result<usize, Fail>>();
        let runs = runs.clone();
        tokio::spawn(call.run(move || async move {
            runs.note();
            tokio::time::sleep(secs(1)).await;
            Err(Fail::Invalid)
        }))
    });
    let answers = join_all(callers.collect::<Vec<_>>()).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    let failed = answers.iter().filter(|answer| **answer == Err(Fail::Invalid)).count();
    let refused =
        answers.iter().filter(|answer| **answer == Err(Fail::refused("in_progress"))).count();
    assert_eq!(failed, runs.count());
    assert_eq!(failed + refused, CALLERS);
    // One a second takes its turn; the last of them starts just before the waiters' time is up.
    assert!((10..=11).contains(&failed), "{failed} bodies ran");
    assert!(start.elapsed() <= secs(11), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_predecessor_failed_runs_the_body_at_once() {
    let (engine, runs) = (engine(), Runs::new());
    let failing = REFUSING.key("k").engine(&engine).returning::<Result<usize, Fail>>();
    let first = tokio::spawn(failing.run(|| async {
        tokio::time::sleep(secs(2)).await;
        Err(Fail::Invalid)
    }));
    settle().await;
    let start = Instant::now();
    assert_eq!(call(&engine, WAITING, "k", &runs).await.unwrap(), 1);
    assert_eq!(first.await.unwrap(), Err(Fail::Invalid));
    assert_eq!(start.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_refused_when_its_time_is_up_and_has_touched_nothing() {
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, REFUSING, "k", &runs, secs(20));
    settle().await;
    let start = Instant::now();
    let refused = call(&engine, WAITING, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert_eq!(start.elapsed(), secs(10));
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(call(&engine, REFUSING, "k", &runs).await.unwrap(), 1);
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_touches_nothing() {
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, REFUSING, "k", &runs, secs(5));
    settle().await;
    timeout(secs(1), call(&engine, WAITING, "k", &runs)).await.unwrap_err();
    assert_eq!(
        call(&engine, REFUSING, "k", &runs).await.unwrap_err().kind(),
        ErrorKind::InProgress
    );
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(call(&engine, REFUSING, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_wakes_when_the_call_ends_however_many_leases_that_took() {
    let (engine, runs) = (engine(), Runs::new());
    let operation = WAITING.lease(secs(1)).wait(secs(60));
    let first = call_for(&engine, operation, "k", &runs, millis(20_500));
    settle().await;
    let start = Instant::now();
    assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 1);
    let late = start.elapsed().saturating_sub(millis(20_500));
    assert!(late <= millis(1), "it woke {late:?} late");
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_no_time_is_a_refusal() {
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, REFUSING, "k", &runs, secs(5));
    settle().await;
    let start = Instant::now();
    let refused = call(&engine, REFUSING.wait(secs(0)), "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), start.elapsed()), (ErrorKind::InProgress, secs(0)));
    first.abort();
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_ever_is_as_good_as_a_long_one() {
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, REFUSING, "k", &runs, secs(3000));
    settle().await;
    let waiting = REFUSING.wait(std::time::Duration::MAX);
    assert_eq!(call(&engine, waiting, "k", &runs).await.unwrap(), 1);
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_duplicate_is_told_to_come_back_before_the_lease_could_lapse() {
    let (engine, runs) = (engine(), Runs::new());
    let operation = REFUSING.lease(millis(600));
    let first = call_for(&engine, operation, "k", &runs, secs(5));
    settle().await;
    let refused = call(&engine, operation, "k", &runs).await.unwrap_err();
    assert!(refused.retry_after().unwrap() <= millis(600));
    first.abort();
}
