//! What an engine's observer hears, and what a drain waits for.

use std::sync::{Arc, Mutex};

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::{BeginOutcome, CallOutcome, outcome_of};
use idempotent_core::{ErrorKind, Idempotency, Operation, idempotent};
use idempotent_tests::{Answer, Runs, call, engine, secs, settle};
use tokio::time::{sleep, timeout};

const CHARGE: Operation = Operation::new("charge").lease(secs(30)).ttl(secs(3600));

type Heard = (String, CallOutcome, Option<ErrorKind>, std::time::Duration);

fn observed() -> (Idempotency, Arc<Mutex<Vec<Heard>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let engine = Idempotency::builder(MemoryStore::new());
    let engine = engine.on_outcome({
        let heard = Arc::clone(&heard);
        move |call| {
            let refusal = call.refusal.map(idempotent_core::Error::kind);
            let end = (call.operation.to_owned(), call.outcome, refusal, call.took);
            heard.lock().unwrap().push(end);
        }
    });
    (engine.build(), heard)
}

#[tokio::test]
async fn an_observer_hears_of_executions_replays_and_refusals() {
    let ((engine, heard), runs) = (observed(), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    let running = CHARGE.key("other").engine(&engine).returning::<Answer>();
    let BeginOutcome::Reserved(running) = running.begin().await.unwrap() else {
        panic!("replayed")
    };
    call(&engine, CHARGE, "other", &runs).await.unwrap_err();
    running.complete(&Ok(7)).await;
    let ends: Vec<_> = heard.lock().unwrap().iter().map(|end| (end.1, end.2)).collect();
    let expected = [
        (CallOutcome::Executed, None),
        (CallOutcome::Replayed, None),
        (CallOutcome::Refused, Some(ErrorKind::InProgress)),
        (CallOutcome::Executed, None),
    ];
    assert_eq!(ends, expected);
    assert!(heard.lock().unwrap().iter().all(|end| end.0 == "charge"));
}

#[tokio::test]
async fn an_observer_hears_how_long_a_call_took() {
    let (engine, heard) = observed();
    let slow = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let body = || async {
        sleep(std::time::Duration::from_millis(50)).await;
        Ok(1)
    };
    slow.run(body).await.unwrap();
    let took = heard.lock().unwrap()[0].3;
    assert!(took >= std::time::Duration::from_millis(50), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_detached_bodies_whose_callers_are_gone() {
    let (engine, runs) = (engine(), Runs::new());
    let detached = CHARGE.key("k").engine(&engine).returning::<Answer>();
    let body = {
        let runs = runs.clone();
        move || async move {
            sleep(secs(10)).await;
            Ok(runs.note())
        }
    };
    timeout(secs(1), detached.run_detached(body)).await.unwrap_err();
    timeout(secs(8), engine.drain()).await.unwrap_err();
    timeout(secs(2), engine.drain()).await.unwrap();
    assert_eq!(runs.count(), 1);
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_an_idle_engine_returns_at_once() {
    let (engine, runs) = (engine(), Runs::new());
    timeout(secs(0), engine.drain()).await.unwrap();
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    timeout(secs(0), engine.drain()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_until_a_dropped_call_is_told_to_the_store() {
    let engine = engine();
    let call = CHARGE.key("k").engine(&engine).returning::<Answer>();
    drop(call.begin().await.unwrap());
    engine.drain().await;
    let id = engine.record_id("charge", None, "k").unwrap();
    let seen = engine.inspect(&id).await.unwrap().unwrap();
    assert_eq!(seen.owner_state(), idempotent_core::model::OwnerState::Held);
    settle().await;
}

#[idempotent(key = key, name = "charge", engine = engine)]
async fn charge(engine: &Idempotency, key: &str, inner: Option<&str>) -> Answer {
    match inner {
        Some(inner) => call(engine, CHARGE.ttl(secs(60)), inner, &Runs::new()).await,
        None => Ok(1),
    }
}

#[tokio::test]
async fn the_outcome_of_an_annotated_function_is_told() {
    let engine = engine();
    let (first, outcome) = outcome_of(charge(&engine, "k", None)).await;
    assert_eq!((first.unwrap(), outcome), (1, Some(CallOutcome::Executed)));
    let (again, outcome) = outcome_of(charge(&engine, "k", None)).await;
    assert_eq!((again.unwrap(), outcome), (1, Some(CallOutcome::Replayed)));
    let (refused, outcome) = outcome_of(charge(&engine, "", None)).await;
    assert_eq!((refused.is_err(), outcome), (true, Some(CallOutcome::Refused)));
}

#[tokio::test]
async fn the_outcome_is_that_of_the_first_call_and_not_of_those_that_its_body_makes() {
    let engine = engine();
    charge(&engine, "inner", None).await.unwrap();
    let (_, outcome) = outcome_of(charge(&engine, "outer", Some("inner"))).await;
    assert_eq!(outcome, Some(CallOutcome::Executed), "not the replay inside");
    let both = async {
        settle().await;
        charge(&engine, "outer", None).await.unwrap();
        settle().await;
        charge(&engine, "another", None).await.unwrap();
    };
    assert_eq!(outcome_of(both).await.1, Some(CallOutcome::Replayed));
}

#[tokio::test]
async fn a_future_without_a_call_has_no_outcome_and_listeners_are_nested() {
    assert_eq!(outcome_of(async { 7 }).await, (7, None));
    let engine = engine();
    let outer = outcome_of(async {
        let inner = outcome_of(charge(&engine, "a", None)).await.1;
        charge(&engine, "a", None).await.unwrap();
        inner
    });
    assert_eq!(outer.await, (Some(CallOutcome::Executed), Some(CallOutcome::Replayed)));
}

#[tokio::test]
async fn a_listener_hears_beside_an_observer() {
    let (engine, heard) = observed();
    let (_, outcome) = outcome_of(charge(&engine, "k", None)).await;
    assert_eq!(outcome, Some(CallOutcome::Executed));
    assert_eq!(heard.lock().unwrap().len(), 1);
}
