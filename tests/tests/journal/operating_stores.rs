//! What operators do with calls on the stores that other processes share.

use std::time::Duration;

use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::{RecordId, StepId};
use idempotent_core::store::{Due, State};
use idempotent_core::{Error, Guarantee, Idempotency, Operation, Store};
use idempotent_servers::{Postgres, Redis, Server, require};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::patient;

/// A step that never ends. It adds a permit once it has begun.
async fn pay(name: &'static str, begun: &Semaphore) -> Result<u32, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    let never = step.returning::<Result<u32, Error>>().run(|| {
        begun.add_permits(1);
        std::future::pending()
    });
    never.await
}

async fn inspect(engine: &Idempotency, id: &RecordId) -> Option<Inspection> {
    engine.inspect(id).await.unwrap()
}

async fn until(
    engine: &Idempotency,
    id: &RecordId,
    is: impl Fn(&Inspection) -> bool,
) -> Inspection {
    loop {
        if let Some(seen) = inspect(engine, id).await.filter(&is) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A call whose owner has died in both of its steps.
async fn died_in_two_steps(engine: &Idempotency, key: &str) -> Inspection {
    let call = Operation::new("checkout").lease(Duration::from_secs(4)).key(key).engine(engine);
    let call = call.resume(&"an order").returning::<Result<u32, Error>>();
    // What has been written is not enough: a run that is dropped before it is told takes a step back.
    let begun = Semaphore::new(0);
    let run = call.run(|| async {
        let (one, other) = tokio::join!(pay("charge", &begun), pay("refund", &begun));
        Ok(one? + other?)
    });
    let id = engine.record_id("checkout", None, key).unwrap();
    tokio::select! {
        ended = run => panic!("its steps never end: {ended:?}"),
        both = begun.acquire_many(2) => drop(both),
    }
    until(engine, &id, is_due).await
}

fn is_due(seen: &Inspection) -> bool {
    seen.state() == State::Suspended && seen.due_in() == Some(Duration::ZERO)
}

/// Both are resolved as they were seen first, or each as it is then.
async fn a_call_whose_steps_are_resolved_one_by_one_stays_due(store: impl Store + Clone) {
    let pause = Duration::from_millis(20);
    let engine = Idempotency::builder(store.clone()).resume_backoff(pause, pause).build();
    let (one, other) = tokio::join!(
        died_in_two_steps(&engine, "from one inspection"),
        died_in_two_steps(&engine, "from two"),
    );
    let assert_due = async |id: &RecordId| {
        let now = inspect(&engine, id).await.unwrap();
        assert!(is_due(&now), "{now:?}");
        let index = store.due_calls().unwrap();
        let due = index.due(&Due::new(&["checkout"], 10)).await.unwrap();
        assert!(due.iter().any(|call| call.id == *id), "{due:?}");
        now
    };
    let resolve = async |seen: &Inspection, step: &StepId| {
        engine.resolve_step(seen, step, Resolution::completed(5_u32)).await.unwrap();
        assert_due(seen.id()).await
    };
    let steps = |seen: &Inspection| [seen.steps()[0].0, seen.steps()[1].0];
    for step in steps(&one) {
        resolve(&one, &step).await;
    }
    let [first, second] = steps(&other);
    let now = resolve(&other, &first).await;
    resolve(&now, &second).await;
}

#[tokio::test]
async fn a_call_on_sqlite_whose_steps_are_resolved_one_by_one_stays_due() {
    let folder = TempDir::new().unwrap();
    let store = patient::sqlite(folder.path().join("calls.db")).await;
    a_call_whose_steps_are_resolved_one_by_one_stays_due(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_postgres_whose_steps_are_resolved_one_by_one_stays_due() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let store = patient::postgres(server.url()).await;
    a_call_whose_steps_are_resolved_one_by_one_stays_due(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_redis_whose_steps_are_resolved_one_by_one_stays_due() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = patient::redis(server.url()).await;
    a_call_whose_steps_are_resolved_one_by_one_stays_due(store).await;
}
