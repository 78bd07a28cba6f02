//! Assertions about what became of calls, and what they say when they fail.

use idempotent_core::testing::{self, FaultyStore, ObservedStore};
use idempotent_core::testing::{assert_executed_once, assert_replayed};
use idempotent_core::{Error, Idempotency, backends::MemoryStore, engine::with_engine, idempotent};

#[idempotent(key = order, name = "charge")]
async fn charge(order: u32) -> Result<u32, Error> {
    Ok(order)
}

#[tokio::test]
async fn whatever_counts_calls_can_be_asked() {
    let store = FaultyStore::new(ObservedStore::new(MemoryStore::new()));
    let engine = Idempotency::new(store.clone());
    with_engine(engine.clone(), charge(7)).await.unwrap();
    assert_executed_once!(store, "charge");
    assert_executed_once!(store.inner(), "charge");
    with_engine(engine, charge(7)).await.unwrap();
    assert_executed_once!(&store, "charge");
    assert_replayed!(store.inner().clone(), "charge",);
}

#[tokio::test]
#[should_panic(expected = "`charge` was executed 2 times instead of once")]
async fn two_executions_are_not_one() {
    let test = testing::engine();
    test.run(async {
        charge(7).await.unwrap();
        charge(8).await.unwrap();
    })
    .await;
    assert_executed_once!(test, "charge");
}

#[tokio::test]
#[should_panic(expected = "`tokio::spawn` does not hand it on: spawn `test.run(…)`")]
async fn a_call_that_was_spawned_without_the_engine_is_told() {
    let test = testing::engine();
    test.run(async { tokio::spawn(charge(7)).await.unwrap().unwrap() }).await;
    assert_executed_once!(test, "charge");
}

#[test]
#[should_panic(
    expected = "no call of it was seen: does the name match, and had its caller this engine?"
)]
fn a_name_that_nobody_has_is_told() {
    assert_executed_once!(testing::engine(), "shop.charge");
}

#[tokio::test]
#[should_panic(
    expected = "executed 1 times and replayed 0 times, instead of once and at least once"
)]
async fn a_first_call_is_no_replay() {
    let test = testing::engine();
    test.run(charge(7)).await.unwrap();
    assert_replayed!(test, "charge");
}

#[test]
fn responses_of_every_protocol_are_known() {
    for name in ["idempotency-replayed", "idempotent-replayed"] {
        let response = http::Response::builder().header(name, "true").body(()).unwrap();
        assert_replayed!(response);
        assert_replayed!(reqwest::Response::from(response.map(|()| "")));
    }
    let mut response = tonic::Response::new(());
    response.metadata_mut().insert("idempotency-replayed", "true".parse().unwrap());
    assert_replayed!(response);
}

#[test]
#[should_panic(
    expected = "the response is not a replay: neither `idempotency-replayed: true` nor \
                           `idempotent-replayed: true` is among its headers; its status is 409 Conflict"
)]
fn a_refusal_is_no_replay() {
    assert_replayed!(http::Response::builder().status(409).body(()).unwrap());
}
