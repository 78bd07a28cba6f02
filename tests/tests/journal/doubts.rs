//! What operators see of steps in doubt, and how they take back what they said.

use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::{StepId, StepStatus};
use idempotent_core::store::{Scan, State};
use idempotent_core::testing::TestEngine;
use idempotent_core::{Error, ErrorKind, Guarantee, Operation};

use crate::shop::{Ledger, Shop, failure};

async fn in_doubt(shop: &Shop) -> Vec<Inspection> {
    shop.test.engine().scan(&Scan::in_doubt()).await.unwrap().entries
}

async fn inspect(shop: &Shop) -> Inspection {
    let engine = shop.test.engine();
    let id = engine.record_id("checkout", None, "order 7").unwrap();
    engine.inspect(&id).await.unwrap().unwrap()
}

fn step(seen: &Inspection, name: &str) -> StepId {
    seen.steps().iter().find(|(_, step)| step.name() == name).unwrap().0
}

#[tokio::test]
async fn a_suspended_call_without_a_step_in_doubt_is_not_in_doubt() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    assert_eq!(inspect(&shop).await.state(), State::Suspended);
    assert_eq!(in_doubt(&shop).await.len(), 0);
    assert!(shop.test.engine().count_indeterminate().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_step_that_runs_is_not_in_doubt() {
    let shop = Shop::new();
    let call = shop.call(|| async {
        let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let step = step.returning::<Result<u32, Error>>();
        step.run(|| async {
            assert_eq!(in_doubt(&shop).await.len(), 0);
            let seen = inspect(&shop).await;
            assert_eq!(
                (seen.steps()[0].1.status(), seen.is_in_doubt()),
                (StepStatus::Begun, false)
            );
            Ok(1)
        })
        .await
    });
    assert_eq!(call.await.unwrap(), 1);
}

/// A checkout whose first step returns more than is kept.
async fn with_a_large_result(shop: &Shop) -> Result<u32, Error> {
    shop.call(|| async {
        let step = Operation::new("describe").step().returning::<Result<String, Error>>();
        let text = step.run(|| async { Ok("x".repeat(100)) }).await?;
        match text.len() {
            100 => Err(failure().await),
            length => Ok(u32::try_from(length).unwrap()),
        }
    })
    .await
}

#[tokio::test]
async fn a_call_does_not_go_on_without_a_result_that_was_not_kept_and_an_operator_gives_it() {
    let test = TestEngine::new(|builder| builder.max_result_bytes(64));
    let shop = Shop { test, ledger: Ledger::default() };
    with_a_large_result(&shop).await.unwrap_err();
    assert_eq!(with_a_large_result(&shop).await.unwrap_err().kind(), ErrorKind::Decode);
    let engine = shop.test.engine();
    let seen = inspect(&shop).await;
    let never = Resolution::never_happened_and_owner_is_dead;
    for refused in [engine.resolve(&seen, never()).await, engine.resume(&seen).await] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Indeterminate);
        assert!(refused.to_string().contains("step `describe` has run"), "{refused}");
    }
    let id = step(&seen, "describe");
    let ran = engine.resolve_step(&seen, &id, never()).await.unwrap_err();
    assert_eq!(ran.kind(), ErrorKind::Misconfigured);
    engine.resolve_step(&seen, &id, Resolution::completed("short")).await.unwrap();
    assert_eq!(with_a_large_result(&shop).await.unwrap(), 5);
}
