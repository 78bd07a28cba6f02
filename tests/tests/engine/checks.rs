//! The order of checks: version, then fingerprint, then conflict, then replay, waiting or not.

use idempotent_core::call::BeginOutcome;
use idempotent_core::{ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_tests::{Answer, Runs, engine, secs};
use tokio::time::{Instant, advance};

const V0: Operation = Operation::new("charge").lease(secs(30));
const V1: Operation = V0.version(1);
const AT_MOST_ONCE: Operation = V0.guarantee(Guarantee::AtMostOnce);

/// A call with a payload.
async fn call(engine: &Idempotency, operation: Operation, payload: &str, runs: &Runs) -> Answer {
    let call = operation.key("k").engine(engine).fingerprint(payload).returning::<Answer>();
    call.run(|| async { Ok(runs.note()) }).await
}

/// Leaves the key reserved by a call with payload "a", as a crash does.
async fn crash(engine: &Idempotency, operation: Operation) {
    let call = operation.key("k").engine(engine).fingerprint("a").returning::<Answer>();
    assert!(matches!(call.begin().await.unwrap(), BeginOutcome::Reserved(_)));
}

async fn refusal(engine: &Idempotency, operation: Operation, payload: &str) -> ErrorKind {
    let (runs, start) = (Runs::new(), Instant::now());
    let error = call(engine, operation, payload, &runs).await.unwrap_err();
    assert_eq!((runs.count(), start.elapsed()), (0, secs(0)), "it ran or waited");
    error.kind()
}

#[tokio::test(start_paused = true)]
async fn version_comes_before_mismatch() {
    let engine = engine();
    call(&engine, V0, "a", &Runs::new()).await.unwrap();
    assert_eq!(refusal(&engine, V1, "b").await, ErrorKind::Incompatible);
    assert_eq!(refusal(&engine, V1.wait(secs(9)), "b").await, ErrorKind::Incompatible);
}

#[tokio::test(start_paused = true)]
async fn version_comes_before_conflict() {
    let engine = engine();
    crash(&engine, V0).await;
    assert_eq!(refusal(&engine, V1, "a").await, ErrorKind::Incompatible);
    assert_eq!(refusal(&engine, V1.wait(secs(9)), "a").await, ErrorKind::Incompatible);
}

#[tokio::test(start_paused = true)]
async fn version_comes_before_mismatch_and_conflict_together() {
    let engine = engine();
    crash(&engine, V0).await;
    assert_eq!(refusal(&engine, V1.wait(secs(9)), "b").await, ErrorKind::Incompatible);
}

#[tokio::test(start_paused = true)]
async fn version_comes_before_replay() {
    let engine = engine();
    call(&engine, V0, "a", &Runs::new()).await.unwrap();
    assert_eq!(refusal(&engine, V1, "a").await, ErrorKind::Incompatible);
    assert_eq!(refusal(&engine, V1.wait(secs(9)), "a").await, ErrorKind::Incompatible);
}

#[tokio::test(start_paused = true)]
async fn mismatch_comes_before_conflict() {
    let engine = engine();
    crash(&engine, V0).await;
    assert_eq!(refusal(&engine, V0, "b").await, ErrorKind::FingerprintMismatch);
    assert_eq!(refusal(&engine, V0.wait(secs(9)), "b").await, ErrorKind::FingerprintMismatch);
}

#[tokio::test(start_paused = true)]
async fn mismatch_comes_before_replay() {
    let engine = engine();
    call(&engine, V0, "a", &Runs::new()).await.unwrap();
    assert_eq!(refusal(&engine, V0, "b").await, ErrorKind::FingerprintMismatch);
    assert_eq!(refusal(&engine, V0.wait(secs(9)), "b").await, ErrorKind::FingerprintMismatch);
    assert_eq!(call(&engine, V0, "a", &Runs::new()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn version_and_mismatch_come_before_an_outcome_that_nobody_knows() {
    let engine = engine();
    crash(&engine, AT_MOST_ONCE).await;
    advance(secs(31)).await;
    let newer = AT_MOST_ONCE.version(1);
    assert_eq!(refusal(&engine, newer, "b").await, ErrorKind::Incompatible);
    assert_eq!(refusal(&engine, AT_MOST_ONCE, "b").await, ErrorKind::FingerprintMismatch);
    assert_eq!(refusal(&engine, AT_MOST_ONCE, "a").await, ErrorKind::Indeterminate);
    assert_eq!(refusal(&engine, AT_MOST_ONCE.wait(secs(9)), "a").await, ErrorKind::Indeterminate);
}

#[tokio::test(start_paused = true)]
async fn mismatch_comes_before_a_result_that_was_not_kept() {
    let engine = engine();
    let call = V0.key("k").engine(&engine).fingerprint("a").returning::<Result<String, _>>();
    let large = "x".repeat(2 << 20);
    call.run(|| async { Ok::<_, idempotent_core::Error>(large) }).await.unwrap();
    assert_eq!(refusal(&engine, V0, "b").await, ErrorKind::FingerprintMismatch);
    assert_eq!(refusal(&engine, V1, "b").await, ErrorKind::Incompatible);
    assert_eq!(refusal(&engine, V0, "a").await, ErrorKind::ResultNotKept);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_finds_a_successor_with_another_payload_is_refused() {
    let (engine, runs) = (engine(), Runs::new());
    let first = V0.key("k").engine(&engine).fingerprint("a").returning::<Answer>();
    let _running = first.begin().await.unwrap();
    let waiter = tokio::spawn({
        let (engine, runs) = (engine.clone(), runs.clone());
        async move { call(&engine, V0.wait(secs(60)), "a", &runs).await }
    });
    idempotent_tests::settle().await;
    let id = engine.record_id("charge", None, "k").unwrap();
    engine.purge(&id).await.unwrap();
    call(&engine, V0, "b", &Runs::new()).await.unwrap();
    let refused = waiter.await.unwrap().unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::FingerprintMismatch, 0));
}

#[tokio::test(start_paused = true)]
async fn a_version_bump_with_accept_replays_older_records() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, V0.version(1), "a", &runs).await.unwrap();
    assert_eq!(call(&engine, V0.version(2).accept(1, 2), "a", &runs).await.unwrap(), 1);
    assert_eq!(refusal(&engine, V0.version(3).accept(2, 3), "a").await, ErrorKind::Incompatible);
    assert_eq!(refusal(&engine, V0, "a").await, ErrorKind::Incompatible);
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_deployment_never_runs_beside_a_newer_ones_record() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, V0.version(2).accept(1, 2), "a", &runs).await.unwrap();
    assert_eq!(refusal(&engine, V0.version(1), "a").await, ErrorKind::Incompatible);
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_does_not_accept_its_own_version_is_misconfigured() {
    let engine = engine();
    let operation = V0.version(3).accept(1, 2);
    assert_eq!(refusal(&engine, operation, "a").await, ErrorKind::Misconfigured);
}

#[tokio::test(start_paused = true)]
async fn equal_payloads_are_equal_however_their_maps_are_ordered() {
    use std::collections::{BTreeMap, HashMap};
    let (engine, runs) = (engine(), Runs::new());
    let pairs: Vec<(String, u32)> = (0..50).map(|i| (i.to_string(), i)).collect();
    let hashed: HashMap<_, _> = pairs.iter().rev().cloned().collect();
    let sorted: BTreeMap<_, _> = pairs.into_iter().collect();
    let first = V0.key("k").engine(&engine).fingerprint(&hashed).returning::<Answer>();
    first.run(|| async { Ok(runs.note()) }).await.unwrap();
    let second = V0.key("k").engine(&engine).fingerprint(&sorted).returning::<Answer>();
    assert_eq!(second.run(|| async { Ok(runs.note()) }).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_number_and_its_text_are_different_payloads() {
    let (engine, runs) = (engine(), Runs::new());
    let first = V0.key("k").engine(&engine).fingerprint(&1).returning::<Answer>();
    first.run(|| async { Ok(runs.note()) }).await.unwrap();
    assert_eq!(refusal(&engine, V0, "1").await, ErrorKind::FingerprintMismatch);
}
