//! The circuit of an engine, on a store that is told how to fail.

use std::error::Error as _;
use std::time::Duration;

use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::call::CallOutcome;
use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Idempotency, IdempotencyBuilder, Operation};
use idempotent_tests::{Answer, HOUR, Log, Runs, call, call_for, millis, secs, settle};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::{advance, sleep};

const CHARGE: Operation = Operation::new("charge").lease(secs(30));
const PAUSE: Duration = Duration::from_millis(100);

type Faulty = FaultyStore<MemoryStore>;

fn down(fault: Fault) -> Faulty {
    FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, fault)
}

/// Opens after three calls, and probes after [`PAUSE`] at the most.
fn three(store: &Faulty) -> IdempotencyBuilder {
    Idempotency::builder(store.clone()).circuit_threshold(3).circuit_pauses(PAUSE, PAUSE)
}

fn store_kind(error: &Error) -> StoreErrorKind {
    assert_eq!((error.kind(), error.status()), (ErrorKind::Store, 503), "{error}");
    assert!(error.is_retryable() && error.retry_after().unwrap() >= secs(1), "{error}");
    error.source().unwrap().downcast_ref::<StoreError>().unwrap().kind()
}

async fn refused(engine: &Idempotency) -> StoreErrorKind {
    store_kind(&call(engine, CHARGE, "k", &Runs::new()).await.unwrap_err())
}

async fn open(engine: &Idempotency) {
    for _ in 0..3 {
        assert_ne!(refused(engine).await, StoreErrorKind::CircuitOpen);
    }
}

#[tokio::test(start_paused = true)]
async fn after_so_many_calls_without_an_answer_the_store_is_not_asked_any_more() {
    let store = down(Fault::Fail);
    let engine = three(&store).build();
    open(&engine).await;
    for _ in 0..10 {
        assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    }
    assert_eq!(store.calls(StoreMethod::Reserve), 3);
    let error = call(&engine, CHARGE, "k", &Runs::new()).await.unwrap_err().to_string();
    let text =
        "not asked, since 3 calls in a row had no answer; the last one: a fault injected by a test";
    assert!(error.contains(text), "{error}");
}

#[tokio::test(start_paused = true)]
async fn by_default_it_opens_after_five() {
    let store = down(Fault::Fail);
    let engine = Idempotency::new(store.clone());
    for _ in 0..10 {
        refused(&engine).await;
    }
    assert_eq!(store.calls(StoreMethod::Reserve), 5);
}

#[tokio::test(start_paused = true)]
async fn switched_off_every_call_asks() {
    let store = down(Fault::Fail);
    let engine = Idempotency::builder(store.clone()).without_circuit().build();
    for _ in 0..50 {
        assert_eq!(refused(&engine).await, StoreErrorKind::Unavailable);
    }
    assert_eq!(store.calls(StoreMethod::Reserve), 50);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_times_out_counts_and_takes_as_long_as_the_user_says() {
    let store = down(Fault::Hang);
    let engine = three(&store).store_timeout(millis(50)).build();
    for _ in 0..3 {
        let begin = tokio::time::Instant::now();
        assert_eq!(refused(&engine).await, StoreErrorKind::Timeout);
        assert_eq!(begin.elapsed().as_millis(), 50);
    }
    let begin = tokio::time::Instant::now();
    assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_is_there() {
    for kind in [StoreErrorKind::Full, StoreErrorKind::Malformed] {
        let store = down(Fault::FailAs(kind));
        let engine = three(&store).build();
        for _ in 0..20 {
            call(&engine, CHARGE, "k", &Runs::new()).await.unwrap_err();
        }
        assert_eq!(store.calls(StoreMethod::Reserve), 20, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_between_starts_the_count_again() {
    let store = FaultyStore::new(MemoryStore::new());
    let engine = three(&store).build();
    for round in 0..4 {
        store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
        for _ in 0..2 {
            assert_eq!(refused(&engine).await, StoreErrorKind::Unavailable);
        }
        store.heal();
        call(&engine, CHARGE, &format!("{round}"), &Runs::new()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_probe_is_let_through_while_all_others_are_refused_and_its_answer_closes() {
    let store = down(Fault::Fail);
    let engine = three(&store).build();
    open(&engine).await;
    store.heal();
    store.inject(StoreMethod::Reserve, When::Always, Fault::Delay(secs(1)));
    advance(PAUSE).await;
    let runs = Runs::new();
    let probe = call_for(&engine, CHARGE, "probe", &runs, Duration::ZERO);
    store.until_called(StoreMethod::Reserve, 4).await;
    for _ in 0..50 {
        assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    }
    assert_eq!(store.calls(StoreMethod::Reserve), 4, "one probe");
    assert_eq!(probe.await.unwrap().unwrap(), 1);
    store.heal();
    call(&engine, CHARGE, "after", &runs).await.unwrap();
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_waits_for_the_next_pause() {
    let store = down(Fault::Fail);
    let engine = three(&store).build();
    open(&engine).await;
    for probe in 1..=5 {
        advance(PAUSE).await;
        assert_eq!(refused(&engine).await, StoreErrorKind::Unavailable);
        assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
        assert_eq!(store.calls(StoreMethod::Reserve), 3 + probe);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_goes_away_does_not_leave_it_stuck() {
    let store = down(Fault::Fail);
    let engine = three(&store).store_timeout(secs(2)).build();
    open(&engine).await;
    store.heal();
    store.inject(StoreMethod::Reserve, When::Always, Fault::Hang);
    advance(PAUSE).await;
    let probe = call_for(&engine, CHARGE, "probe", &Runs::new(), Duration::ZERO);
    store.until_called(StoreMethod::Reserve, 4).await;
    probe.abort();
    let _ = probe.await;
    store.heal();
    // What is left of the probe times out, and then the next one is due.
    sleep(secs(3)).await;
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
}

#[test]
fn a_probe_that_ends_with_its_runtime_does_not_leave_it_stuck() {
    let store = down(Fault::Fail);
    let engine = three(&store).circuit_pauses(Duration::ZERO, Duration::ZERO).build();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(open(&engine));
    store.heal();
    store.inject(StoreMethod::Reserve, When::Always, Fault::Hang);
    first.block_on(async {
        let probe = call_for(&engine, CHARGE, "probe", &Runs::new(), Duration::ZERO);
        store.until_called(StoreMethod::Reserve, 4).await;
        drop(probe);
    });
    drop(first);
    store.heal();
    runtime().block_on(call(&engine, CHARGE, "k", &Runs::new())).unwrap();
}

#[tokio::test(start_paused = true)]
async fn callers_that_go_away_do_not_count() {
    let store = down(Fault::Delay(millis(10)));
    let engine = three(&store).build();
    for caller in 1..=20 {
        let call = call_for(&engine, CHARGE, &format!("{caller}"), &Runs::new(), Duration::ZERO);
        store.until_called(StoreMethod::Reserve, caller).await;
        call.abort();
    }
    sleep(secs(1)).await;
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_time_is_up_does_not_count() {
    let store = FaultyStore::new(MemoryStore::new());
    let engine = three(&store).circuit_threshold(1).build();
    let runs = Runs::new();
    let running = call_for(&engine, CHARGE, "k", &runs, secs(20));
    settle().await;
    store.inject(StoreMethod::Wait, When::Always, Fault::Delay(millis(500)));
    store.inject(StoreMethod::Reserve, When::From(3), Fault::Hang);
    let waiting = CHARGE.wait(millis(900));
    let refused = call(&engine, waiting, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    store.heal();
    call(&engine, CHARGE, "another", &runs).await.unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_are_renewed_and_recorded_while_it_is_open() {
    let store = FaultyStore::new(MemoryStore::new());
    let engine = three(&store).circuit_pauses(HOUR, HOUR).build();
    let runs = Runs::new();
    let running = call_for(&engine, CHARGE, "running", &runs, secs(60));
    let failing = CHARGE.key("failing").engine(&engine).returning::<Answer>();
    let failing = tokio::spawn(failing.run(|| async {
        sleep(secs(60)).await;
        Err(Operation::new("other")
            .key("")
            .returning::<Answer>()
            .run(|| async { Ok(1) })
            .await
            .unwrap_err())
    }));
    settle().await;
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    open(&engine).await;
    assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    assert_eq!(running.await.unwrap().unwrap(), 1);
    failing.await.unwrap().unwrap_err();
    settle().await;
    assert!(store.calls(StoreMethod::Renew) >= 4, "two calls, renewed every 10 seconds");
    assert_eq!(store.calls(StoreMethod::Complete), 1);
    assert!(store.calls(StoreMethod::Release) >= 1);
    assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen, "it still is");
}

#[tokio::test(start_paused = true)]
async fn replays_from_a_near_cache_pass_while_it_is_open() {
    let store = FaultyStore::new(MemoryStore::new());
    let cache = NearCache::new(store.clone());
    let engine =
        Idempotency::builder(cache).circuit_threshold(3).circuit_pauses(HOUR, HOUR).build();
    let runs = Runs::new();
    for _ in 0..2 {
        assert_eq!(call(&engine, CHARGE, "done", &runs).await.unwrap(), 1);
        settle().await;
    }
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    open(&engine).await;
    assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    assert_eq!(call(&engine, CHARGE, "done", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_fails_open_runs_bodies_at_once() {
    let store = down(Fault::Hang);
    let engine = three(&store).fail_open().store_timeout(secs(1)).build();
    let runs = Runs::new();
    for run in 1..=10 {
        let begin = tokio::time::Instant::now();
        let call = CHARGE.key("k").engine(&engine).returning::<Answer>();
        let (answer, outcome) = call.run_with_outcome(|| async { Ok(runs.note()) }).await;
        assert_eq!((answer.unwrap(), outcome), (run, CallOutcome::Unrecorded));
        let is_asked = begin.elapsed() >= secs(1);
        assert_eq!(is_asked, run <= 3, "call {run}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_callers_at_once_few_ask_a_store_that_is_down_and_all_get_in_once_it_is_back() {
    let store = down(Fault::Fail);
    let engine = three(&store).circuit_pauses(HOUR, HOUR).build();
    open(&engine).await;
    let callers: Vec<_> = (0..200)
        .map(|caller| call_for(&engine, CHARGE, &format!("{caller}"), &Runs::new(), Duration::ZERO))
        .collect();
    for caller in callers {
        assert_eq!(store_kind(&caller.await.unwrap().unwrap_err()), StoreErrorKind::CircuitOpen);
    }
    assert_eq!(store.calls(StoreMethod::Reserve), 3);
}

#[tokio::test(start_paused = true)]
async fn the_log_and_the_metrics_tell() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (log, _listening) = Log::listen();
    // Reading resets what it reads, so both at once: the gauge and the counter.
    let read = || {
        let (mut open, mut refused) = (0.0, 0);
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            match (key.key().name(), value) {
                ("idempotent_circuit_open", DebugValue::Gauge(value)) => open += value.0,
                ("idempotent_circuit_refusals_total", DebugValue::Counter(count)) => {
                    refused += count;
                }
                _ => {}
            }
        }
        (format!("{open:.0}"), refused)
    };
    let store = down(Fault::Fail);
    let engine = three(&store).build();
    open(&engine).await;
    refused(&engine).await;
    refused(&engine).await;
    let opened = log.events("the circuit opens");
    assert_eq!((opened.len(), opened[0].level), (1, tracing::Level::ERROR));
    assert_eq!(opened[0].field("failures"), "3");
    store.heal();
    advance(PAUSE).await;
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
    assert_eq!(read(), ("0".to_owned(), 2), "it was open, and is not any more");
    let closed = log.events("the circuit closes");
    assert_eq!((closed.len(), closed[0].field("refused")), (1, "2"));
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    open(&engine).await;
    drop(engine);
    settle().await;
    assert_eq!(read().0, "0", "an engine that is gone is not open");
    let engine = three(&store).build();
    open(&engine).await;
    assert_eq!(read().0, "1", "another one is");
}
