//! What is seen from outside: spans, metrics, log lines.

use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Idempotency, Operation};
use idempotent_tests::{Fail, Log, Runs, call, call_for, engine, millis, secs, settle};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::sleep;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

/// Every value that was recorded under a name with at least these labels.
fn values(snapshotter: &Snapshotter, name: &str, labels: &[(&str, &str)]) -> Vec<DebugValue> {
    let recorded = snapshotter.snapshot().into_vec().into_iter();
    let matching = recorded.filter(|(key, ..)| {
        let has = |(name, value): &(&str, &str)| {
            key.key().labels().any(|label| label.key() == *name && label.value() == *value)
        };
        key.key().name() == name && labels.iter().all(has)
    });
    matching.map(|(.., value)| value).collect()
}

/// The sum of the counters of a name that have at least these labels. Reading resets them.
pub(crate) fn counter(snapshotter: &Snapshotter, name: &str, labels: &[(&str, &str)]) -> u64 {
    let counted = values(snapshotter, name, labels).into_iter();
    counted.map(|value| if let DebugValue::Counter(count) = value { count } else { 0 }).sum()
}

fn samples(snapshotter: &Snapshotter, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
    let recorded = values(snapshotter, name, labels).into_iter();
    recorded
        .flat_map(|value| match value {
            DebugValue::Histogram(samples) => samples,
            _ => Vec::new(),
        })
        .map(f64::from)
        .collect()
}

fn gauge(snapshotter: &Snapshotter, name: &str) -> f64 {
    let recorded = values(snapshotter, name, &[]).into_iter();
    recorded.map(|value| if let DebugValue::Gauge(value) = value { value.0 } else { 0.0 }).sum()
}

#[tokio::test(start_paused = true)]
async fn a_span_tells_operation_outcome_and_attempt() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    call(&engine, CHARGE, "", &runs).await.unwrap_err();
    let calls = log.calls();
    let outcomes: Vec<_> = calls.iter().map(|call| call.field("outcome")).collect();
    assert_eq!(outcomes, ["executed", "replayed", "invalid_key"]);
    assert!(calls.iter().all(|call| call.field("operation") == "charge"));
    assert!(calls.iter().all(|call| call.field("attempt") == "1"));
    assert!(calls.iter().all(|call| call.field("waited_ms").is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_waiters_span_tells_how_long_it_waited_and_its_attempts() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, CHARGE, "k", &runs, millis(1500));
    settle().await;
    call(&engine, CHARGE.wait(secs(5)), "k", &runs).await.unwrap();
    let waiter = &log.calls()[1];
    assert_eq!(waiter.field("outcome"), "replayed");
    assert_eq!(waiter.field("attempt"), "2");
    assert_eq!(waiter.field("waited_ms"), "1500");
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_runs_within_its_calls_span() {
    let (log, _listening) = Log::listen();
    let engine = engine();
    let call = CHARGE.key("k").engine(&engine).returning::<Result<u8, Fail>>();
    call.run(|| async {
        sleep(secs(1)).await;
        tracing::info!("in the body");
        Ok(1)
    })
    .await
    .unwrap();
    let line = &log.events("in the body")[0];
    assert_eq!(line.within.get("operation").map(String::as_str), Some("charge"));
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_operation_outcome_and_disposition() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (engine, runs) = (engine(), Runs::new());
    for _ in 0..3 {
        call(&engine, CHARGE, "k", &runs).await.unwrap();
    }
    let recorded = snapshotter.snapshot().into_hashmap();
    let count = |outcome: &str, disposition: &str| {
        let matching = recorded.iter().filter(|(key, _)| {
            let mut labels: Vec<_> = key.key().labels().map(|l| (l.key(), l.value())).collect();
            labels.sort_unstable();
            key.key().name() == "idempotent_calls_total"
                && labels
                    == [("disposition", disposition), ("operation", "charge"), ("outcome", outcome)]
        });
        matching.map(|(_, (.., value))| value).collect::<Vec<_>>()
    };
    assert_eq!(count("executed", "kept"), [&DebugValue::Counter(1)]);
    assert_eq!(count("replayed", "none"), [&DebugValue::Counter(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_stores_latency_is_measured_by_transition_and_result() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Complete, When::Nth(1), Fault::Fail);
    let (engine, runs) = (Idempotency::new(store), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    let name = "idempotent_store_seconds";
    let recorded = snapshotter.snapshot().into_vec();
    let count = |transition: &str, result: &str| -> usize {
        let matching = recorded.iter().filter(|(key, ..)| {
            let has = |k: &str, v: &str| key.key().labels().any(|l| l.key() == k && l.value() == v);
            key.key().name() == name && has("transition", transition) && has("result", result)
        });
        matching
            .map(|(.., value)| if let DebugValue::Histogram(all) = value { all.len() } else { 0 })
            .sum()
    };
    assert_eq!(count("reserve", "ok"), 1);
    assert_eq!((count("complete", "error"), count("complete", "ok")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn waits_are_measured() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (engine, runs) = (engine(), Runs::new());
    let first = call_for(&engine, CHARGE, "k", &runs, millis(1500));
    settle().await;
    call(&engine, CHARGE.wait(secs(5)), "k", &runs).await.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(samples(&snapshotter, "idempotent_wait_seconds", &[]), [1.5]);
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_are_gauged() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (engine, runs) = (engine(), Runs::new());
    let _first = call_for(&engine, CHARGE, "a", &runs, secs(5));
    let _second = call_for(&engine, CHARGE, "b", &runs, secs(5));
    settle().await;
    assert!((gauge(&snapshotter, "idempotent_in_flight") - 2.0).abs() < 0.1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_ended_or_were_dropped_are_not_in_flight() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (engine, runs) = (engine(), Runs::new());
    let dropped = call_for(&engine, CHARGE, "a", &runs, secs(5));
    let running = call_for(&engine, CHARGE, "b", &runs, secs(50));
    call_for(&engine, CHARGE, "c", &runs, secs(5)).await.unwrap().unwrap();
    dropped.abort();
    settle().await;
    assert!((gauge(&snapshotter, "idempotent_in_flight") - 1.0).abs() < 0.1);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn bodies_without_their_callers_are_gauged_until_they_end() {
    for (drained, expected) in [(false, 1.0), (true, 0.0)] {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let _recording = metrics::set_default_local_recorder(&recorder);
        let engine = engine();
        let call = CHARGE.key("a").engine(&engine).returning::<Result<u8, Fail>>();
        let body = call.run_detached(|| async {
            sleep(secs(5)).await;
            Ok(1)
        });
        tokio::time::timeout(secs(1), body).await.unwrap_err();
        if drained {
            engine.drain().await;
        }
        assert!((gauge(&snapshotter, "idempotent_detached") - expected).abs() < 0.1);
        engine.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Renew, When::Always, Fault::Fail);
    let (engine, runs) = (Idempotency::new(store), Runs::new());
    call_for(&engine, CHARGE, "k", &runs, secs(40)).await.unwrap().unwrap();
    let labels = [("operation", "charge")];
    assert_eq!(counter(&snapshotter, "idempotent_lost_leases_total", &labels), 1);
}

#[tokio::test(start_paused = true)]
async fn no_log_line_shows_a_key() {
    let (log, _listening) = Log::listen();
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Complete, When::Always, Fault::Fail);
    let (engine, runs) = (Idempotency::new(store), Runs::new());
    call(&engine, CHARGE, "secret", &runs).await.unwrap();
    call(&engine, CHARGE, "secret", &runs).await.unwrap_err();
    sleep(secs(60)).await;
    assert!(!format!("{log:?}").contains("secret"));
    assert!(!log.events("").is_empty());
}
