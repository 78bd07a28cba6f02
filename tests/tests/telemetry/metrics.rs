//! What the metrics say beyond how calls ended.

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::Recovery;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation};
use idempotent_tests::{Fail, engine, millis, secs, settle};
use metrics_util::debugging::DebugValue;
use tokio::time::{sleep, timeout};

use crate::captured::Captured;

const CHARGE: Operation = Operation::new("charge").guarantee(Guarantee::AtMostOnce);

async fn lost(engine: &Idempotency, operation: Operation, key: &str) {
    let call = operation.key(key).engine(engine).returning::<Result<(), Fail>>();
    let call = call.on_error(|_| Disposition::Unknown);
    call.run(|| async { Err(Fail::TimedOut) }).await.unwrap_err();
}

/// The samples of a histogram.
fn samples(captured: &Captured, name: &str) -> Vec<f64> {
    match captured.metrics().get(name) {
        Some(DebugValue::Histogram(samples)) => samples.iter().map(|it| it.0).collect(),
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn the_body_is_timed_without_the_store() {
    let captured = Captured::start();
    let slow = Fault::Delay(secs(1));
    let store = FaultyStore::new(MemoryStore::new())
        .on(StoreMethod::Reserve, When::Always, slow)
        .on(StoreMethod::Complete, When::Always, slow);
    let engine = Idempotency::new(store);
    for _ in 0..2 {
        let call = CHARGE.key("k").engine(&engine).returning::<Result<(), Error>>();
        call.run(|| async {
            sleep(millis(50)).await;
            Ok(())
        })
        .await
        .unwrap();
    }
    let samples = samples(&captured, "idempotent_run_seconds{operation=charge,outcome=executed}");
    assert_eq!(samples.len(), 1, "a replay has no body");
    assert!((0.05..1.0).contains(&samples[0]), "{samples:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_is_timed_until_then() {
    let captured = Captured::start();
    let engine = engine();
    let call = CHARGE.key("k").engine(&engine).returning::<Result<(), Error>>();
    timeout(secs(1), call.run(std::future::pending)).await.unwrap_err();
    settle().await;
    let samples = samples(&captured, "idempotent_run_seconds{operation=charge,outcome=dropped}");
    assert_eq!(samples.len(), 1);
}

#[tokio::test]
async fn whoever_counts_indeterminate_records_sets_their_gauge() {
    let captured = Captured::start();
    let engine = engine();
    for key in ["a", "b", "c"] {
        lost(&engine, CHARGE, key).await;
    }
    lost(&engine, Operation::new("refund").guarantee(Guarantee::AtMostOnce), "a").await;
    // Not indeterminate.
    let call = CHARGE.key("d").engine(&engine).returning::<Result<(), Error>>();
    call.run(|| async { Ok(()) }).await.unwrap();
    let counts = engine.count_indeterminate().await.unwrap();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [("charge".into(), 3), ("refund".into(), 1)]
    );
    let gauge = |operation: &str| {
        let name = format!("idempotent_indeterminate_records{{operation={operation}}}");
        match captured.metrics().get(&name) {
            Some(DebugValue::Gauge(value)) => value.0 as u64,
            other => panic!("{name} is {other:?}"),
        }
    };
    assert_eq!(gauge("charge"), 3);
    // One that is resolved is gone from the count, and its operation's gauge falls to 0.
    let refund = engine.record_id("refund", None, "a").unwrap();
    engine.purge(&refund).await.unwrap();
    assert_eq!(engine.count_indeterminate().await.unwrap().get("refund"), None);
    assert_eq!(gauge("refund"), 0);
}

#[tokio::test]
async fn more_indeterminate_records_than_a_page_has_are_counted() {
    let engine = engine();
    for key in 0..1100 {
        lost(&engine, CHARGE, &key.to_string()).await;
    }
    assert_eq!(engine.count_indeterminate().await.unwrap()["charge"], 1100);
}

/// An increase from nothing to one is none for a rule that compares samples.
#[tokio::test]
async fn a_recovery_exports_that_it_has_parked_no_call_from_its_start() {
    let captured = Captured::start();
    let recovery = Recovery::new(&engine()).operation("charge", |_: u32| async {});
    let recovery = recovery.operation("refund", |_: u32| async {}).start().unwrap();
    for operation in ["charge", "refund"] {
        let name = format!("idempotent_parked_total{{operation={operation}}}");
        assert_eq!(captured.metrics().get(&name), Some(&DebugValue::Counter(0)), "{name}");
    }
    recovery.stop().await;
}

#[tokio::test]
async fn the_version_is_a_gauge_of_one() {
    let captured = Captured::start();
    let engine = engine();
    let is_set = || {
        let metrics = captured.metrics();
        let infos =
            metrics.iter().filter(|(name, _)| name.starts_with("idempotent_build_info{version="));
        infos.map(|(_, value)| value == &DebugValue::Gauge(1.0.into())).collect::<Vec<_>>()
    };
    assert_eq!(is_set(), [true]);
    // Also for a recorder that was installed after the engine was made.
    let later = Captured::start();
    engine.check().await;
    assert!(later.metrics().keys().any(|name| name.starts_with("idempotent_build_info")));
}
