//! Where a step may not be.

use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{FaultyStore, StoreMethod};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation, current};

use crate::shop::Shop;

#[tokio::test]
async fn a_step_outside_of_a_call_is_refused_and_the_text_says_what_to_do() {
    let shop = Shop::new();
    let refused = shop.test.run(shop.step("charge")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("#[idempotent(key = …)]"), "{refused}");
    assert_eq!(shop.ledger.count("charge"), 0);
}

#[tokio::test]
async fn a_step_in_a_spawned_task_needs_the_scope_of_the_call() {
    let shop = Shop::new();
    let call = shop.call(|| async {
        let (inside, outside) = (shop.clone(), shop.clone());
        let outside = tokio::spawn(async move { outside.step("charge").await }).await.unwrap();
        assert_eq!(outside.unwrap_err().kind(), ErrorKind::Misconfigured);
        let scope = current().unwrap().scope(async move { inside.step("charge").await });
        tokio::spawn(scope).await.unwrap()
    });
    assert_eq!(call.await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_step_that_outlives_its_call_is_refused() {
    let shop = Shop::new();
    let (send, receive) = tokio::sync::oneshot::channel();
    let call = shop.call(|| async {
        shop.step("charge").await?;
        send.send(current().unwrap()).ok();
        Ok(1)
    });
    call.await.unwrap();
    let late = receive.await.unwrap().scope(shop.step("ship"));
    let refused = late.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("its call has ended"), "{refused}");
    assert_eq!(shop.ledger.count("ship"), 0);
}

#[tokio::test]
async fn a_step_in_a_call_without_a_record_is_refused() {
    let shop = Shop::new();
    let store = FaultyStore::new(MemoryStore::new()).on(
        StoreMethod::Reserve,
        idempotent_core::testing::When::Always,
        idempotent_core::testing::Fault::Fail,
    );
    let engine = Idempotency::builder(store).fail_open().build();
    let call = Operation::new("checkout").key("7").engine(&engine);
    let refused = call.returning::<Result<u32, Error>>().run(|| shop.step("charge")).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(shop.ledger.count("charge"), 0);
}

#[tokio::test]
async fn more_steps_than_the_limit_are_refused_before_they_run() {
    let engine = Idempotency::builder(MemoryStore::new()).max_steps(2).build();
    let shop = Shop::new();
    let call = Operation::new("checkout").key("7").engine(&engine);
    let refused = call.returning::<Result<u32, Error>>().run(|| async {
        for line in 0..3 {
            shop.keyed_step("ship", line).await?;
        }
        Ok(1)
    });
    let refused = refused.await.unwrap_err();
    assert_eq!((refused.kind(), refused.limit()), (ErrorKind::TooManySteps, Some(2)));
    assert_eq!((shop.ledger.count("ship[1]"), shop.ledger.count("ship[2]")), (1, 0));
}
