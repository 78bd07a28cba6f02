//! A call within a call of several steps has a record of its own, which may expire before the call around it is resumed.

use std::time::Duration;

use idempotent_core::{Error, Operation};
use idempotent_tests::Log;

use crate::shop::{Shop, failure};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A call of an operation of its own, whose result is kept for so long.
async fn nested(shop: &Shop, name: &'static str, ttl: Duration) -> Result<u32, Error> {
    let call = Operation::new(name).ttl(ttl).key("order 7").engine(&shop.test.engine());
    let call = call.returning::<Result<u32, Error>>();
    call.run(|| async {
        shop.ledger.note(name);
        Ok(1)
    })
    .await
}

/// The operations of nested calls that were reported to be kept for too short a time.
fn reported(log: &Log) -> Vec<String> {
    let events = log.events("kept for less time than the call around it");
    events.iter().map(|event| event.field("nested").to_owned()).collect()
}

#[tokio::test]
async fn a_nested_call_whose_ttl_ends_before_the_outer_resumes_is_reported() {
    let shop = Shop::new();
    let (log, _listening) = Log::listen();
    shop.interrupted(|| async {
        nested(&shop, "before-its-first-step", DAY).await?;
        shop.step("hold").await?;
        nested(&shop, "beside-its-steps", DAY).await?;
        nested(&shop, "kept-as-long", 40 * DAY).await?;
        Err(failure().await)
    })
    .await;
    assert_eq!(reported(&log), ["before-its-first-step", "beside-its-steps"]);
    let event = &log.events("kept for less time than the call around it")[0];
    assert_eq!((event.field("operation"), event.field("ttl")), ("checkout", "86400s"));
    assert_eq!(event.field("kept_for"), "2592000s");

    // What it warns of.
    shop.test.clock().advance(2 * DAY);
    let resumed = shop.call(|| async {
        nested(&shop, "before-its-first-step", DAY).await?;
        shop.step("hold").await?;
        nested(&shop, "beside-its-steps", DAY).await?;
        nested(&shop, "kept-as-long", 40 * DAY).await
    });
    assert_eq!(resumed.await.unwrap(), 1);
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("kept-as-long")), (1, 1));
    assert_eq!(shop.ledger.count("beside-its-steps"), 2, "it is made again");
    assert_eq!(reported(&log).len(), 2, "once for each pair");
}

#[tokio::test]
async fn a_nested_call_within_a_step_and_within_a_call_with_an_input_is_reported() {
    let shop = Shop::new();
    let (log, _listening) = Log::listen();
    let step = Operation::new("pay").step().returning::<Result<u32, Error>>();
    shop.call(|| step.run(|| nested(&shop, "within-a-step", DAY))).await.unwrap();
    let call = Operation::new("with-an-input").key("order 7").resume(&7);
    let call = call.engine(&shop.test.engine()).returning::<Result<u32, Error>>();
    call.run(|| nested(&shop, "beside-no-step", DAY)).await.unwrap();
    assert_eq!(reported(&log), ["within-a-step", "beside-no-step"]);
}

#[tokio::test]
async fn a_call_within_one_that_nobody_resumes_is_not_reported() {
    let shop = Shop::new();
    let (log, _listening) = Log::listen();
    shop.call(|| nested(&shop, "within-a-plain-call", DAY)).await.unwrap();
    nested(&shop, "within-no-call", DAY).await.unwrap();
    assert_eq!(reported(&log), [""; 0]);
}
