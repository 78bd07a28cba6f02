//! Steps beside each other in a resumed run: who waits for whom, and who is dropped.

use std::time::Duration;

use idempotent_core::testing::TestEngine;
use idempotent_core::{Error, ErrorKind, Operation};
use tokio::time::{sleep, timeout};

use crate::shop::{Ledger, Shop, failure};

const PATIENCE: Duration = Duration::from_millis(50);

fn shop() -> Shop {
    let test = TestEngine::new(|engine| engine.step_patience(PATIENCE));
    Shop { test, ledger: Ledger::default() }
}

/// A step that fails at once, or takes longer than anybody waits at the gate.
async fn slow(fails: bool) -> Result<u32, Error> {
    let step = Operation::new("slow").step().returning::<Result<u32, Error>>();
    step.run(|| async {
        if fails {
            return Err(failure().await);
        }
        sleep(PATIENCE * 10).await;
        Ok(1)
    })
    .await
}

/// A run in which `slow` has failed and `ship` is recorded.
async fn interrupted(shop: &Shop) {
    shop.interrupted(|| async {
        slow(true).await.unwrap_err();
        shop.step("ship").await?;
        Err(failure().await)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_step_waits_while_the_body_of_another_runs() {
    let shop = shop();
    interrupted(&shop).await;
    let ended = shop.call(|| async {
        let expected = async {
            slow(false).await?;
            shop.step("ship").await
        };
        let (one, other) = tokio::try_join!(expected, shop.step("print"))?;
        Ok(one + other)
    });
    assert_eq!(ended.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_dropped_while_it_waits_ends_the_run() {
    let shop = shop();
    interrupted(&shop).await;
    let refused = shop.call(|| async {
        timeout(PATIENCE / 10, shop.step("print")).await.unwrap_err();
        shop.step("ship").await
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OwnerFailed);
    assert!(refused.to_string().contains("`print`: it was dropped before it started"), "{refused}");
    let whole = || async { Ok(slow(false).await? + shop.step("ship").await?) };
    assert_eq!(shop.call(whole).await.unwrap(), 2);
    assert_eq!((shop.ledger.count("ship"), shop.ledger.count("print")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_at_once_drops_no_step_that_nobody_has_asked_for() {
    let shop = shop();
    interrupted(&shop).await;
    let ended = shop.call(|| async {
        let joined = async { tokio::try_join!(biased; slow(true), shop.step("ship")) };
        joined.await.unwrap_err();
        shop.step("instead").await
    });
    assert_eq!(ended.await.unwrap(), 1);
}
