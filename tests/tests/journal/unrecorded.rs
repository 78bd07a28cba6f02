//! What a body makes of a step's `Err` that is not recorded, and what is said of it.

use idempotent_core::{Error, Operation};
use idempotent_tests::Log;

use crate::shop::{Shop, failure};

/// A step that fails, under a name that no other test has: each is reported once.
async fn declined(shop: &Shop, name: &'static str, key: Option<u32>) -> Result<u32, Error> {
    let step = Operation::new(name).step();
    let step = match key {
        Some(key) => step.key(&key),
        None => step,
    };
    let step = step.returning::<Result<u32, Error>>();
    step.run(|| async {
        shop.ledger.note(name);
        Err(failure().await)
    })
    .await
}

/// The steps that were reported.
fn reported(log: &Log) -> Vec<String> {
    let events = log.events("went on to other steps after an `Err`");
    events.iter().map(|event| event.field("step").to_owned()).collect()
}

#[tokio::test]
async fn a_body_that_makes_up_for_an_unrecorded_error_and_fails_is_reported_once() {
    let (log, _listening) = Log::listen();
    for line in 0..2 {
        let shop = Shop::new();
        shop.interrupted(|| async {
            shop.step("hold").await?;
            let refused = declined(&shop, "made-up-for", Some(line)).await;
            shop.keyed_step("refund", line).await?;
            refused
        })
        .await;
    }
    assert_eq!(reported(&log), ["made-up-for"]);
}

#[tokio::test]
async fn a_body_that_fails_as_its_step_did_is_not_reported() {
    let shop = Shop::new();
    let (log, _listening) = Log::listen();
    shop.interrupted(|| async {
        shop.step("hold").await?;
        declined(&shop, "passed-on", None).await
    })
    .await;
    assert_eq!(reported(&log), [""; 0]);
}

#[tokio::test]
async fn a_best_effort_step_of_a_call_that_succeeds_is_not_reported() {
    let shop = Shop::new();
    let (log, _listening) = Log::listen();
    let call = shop.call(|| async {
        declined(&shop, "best-effort", None).await.unwrap_err();
        shop.step("ship").await
    });
    assert_eq!(call.await.unwrap(), 1);
    assert_eq!(reported(&log), [""; 0]);
}

#[tokio::test]
async fn a_step_that_succeeds_when_it_is_tried_again_in_place_is_not_reported() {
    let shop = Shop::new();
    let (log, _listening) = Log::listen();
    shop.interrupted(|| async {
        declined(&shop, "flaky", None).await.unwrap_err();
        shop.step("flaky").await?;
        shop.step("ship").await?;
        Err(failure().await)
    })
    .await;
    assert_eq!(reported(&log), [""; 0]);
}
