//! Steps that have run, and whose results this code cannot have: to a body they look like steps that failed, and it must
//! not compensate for what has happened.

use std::future::Future;

use idempotent_core::call::StepBuilder;
use idempotent_core::testing::TestEngine;
use idempotent_core::{Error, ErrorKind, Operation};

use crate::shop::{Ledger, Shop, failure};

/// A checkout that takes a charge without a result for one that was declined.
async fn compensating<F, T>(shop: &Shop, charge: F) -> Result<u32, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    shop.step("hold").await?;
    if charge.await.is_err() {
        shop.step("release").await.ok();
        return Ok(0);
    }
    shop.step("ship").await
}

fn charge(
    shop: &Shop,
    step: StepBuilder,
    result: &'static str,
) -> impl Future<Output = Result<String, Error>> {
    let ledger = shop.ledger.clone();
    step.returning::<Result<String, Error>>().run(move || async move {
        ledger.note("charge");
        Ok(result.to_owned())
    })
}

/// Asserts that a run that cannot have the charge's result ends there, and that the code that began the call goes on.
async fn assert_waits(
    shop: &Shop,
    kind: ErrorKind,
    other: impl Future<Output = Result<u32, Error>>,
) {
    let refused = shop.call(|| other).await.unwrap_err();
    assert_eq!(refused.kind(), kind, "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains("step `charge`: it has run") && text.contains("deploy the code"),
        "{text}"
    );
    assert_eq!((shop.ledger.count("charge"), shop.ledger.count("release")), (1, 0));
}

async fn interrupted(shop: &Shop, step: StepBuilder, result: &'static str) {
    shop.interrupted(|| async {
        shop.step("hold").await?;
        charge(shop, step, result).await?;
        Err(failure().await)
    })
    .await;
}

fn plain() -> StepBuilder {
    Operation::new("charge").step()
}

fn of_version_2() -> StepBuilder {
    Operation::new("charge").version(2).step()
}

#[tokio::test]
async fn a_charge_of_another_type_is_not_compensated_and_the_older_code_goes_on() {
    let shop = Shop::new();
    interrupted(&shop, plain(), "receipt 7").await;
    let other = plain().returning::<Result<u32, Error>>().run(|| async { Ok(7) });
    assert_waits(&shop, ErrorKind::Decode, compensating(&shop, other)).await;
    let older = compensating(&shop, charge(&shop, plain(), "receipt 7"));
    assert_eq!(shop.call(|| older).await.unwrap(), 1);
    assert_eq!((shop.ledger.count("charge"), shop.ledger.count("ship")), (1, 1));
}

#[tokio::test]
async fn a_charge_of_another_version_is_not_compensated() {
    let shop = Shop::new();
    interrupted(&shop, plain(), "receipt 7").await;
    let other = charge(&shop, of_version_2(), "receipt 7");
    assert_waits(&shop, ErrorKind::Incompatible, compensating(&shop, other)).await;
}

#[tokio::test]
async fn a_charge_with_another_payload_is_not_compensated() {
    let shop = Shop::new();
    interrupted(&shop, plain().fingerprint(&1), "receipt 7").await;
    let other = charge(&shop, plain().fingerprint(&2), "receipt 7");
    assert_waits(&shop, ErrorKind::Incompatible, compensating(&shop, other)).await;
}

#[tokio::test]
async fn a_charge_whose_result_was_too_large_is_not_compensated() {
    let shop = Shop {
        test: TestEngine::new(|engine| engine.max_result_bytes(16)),
        ledger: Ledger::default(),
    };
    interrupted(&shop, plain(), "a receipt that is longer than that").await;
    let again = charge(&shop, plain(), "a receipt that is longer than that");
    assert_waits(&shop, ErrorKind::Decode, compensating(&shop, again)).await;
}

#[tokio::test]
async fn a_step_around_one_whose_result_is_lost_is_not_recorded() {
    let shop = Shop::new();
    let around = |shop: Shop, step: StepBuilder, fails: bool| async move {
        let outer = Operation::new("pay").step().returning::<Result<u32, Error>>();
        let paid = outer.run(|| async {
            let charged = charge(&shop, step, "receipt 7").await;
            if fails { Err(failure().await) } else { Ok(charged.map_or(0, |_| 1)) }
        });
        paid.await
    };
    shop.interrupted(|| around(shop.clone(), plain(), true)).await;
    let refused = shop.call(|| around(shop.clone(), of_version_2(), false)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Incompatible);
    assert_eq!(shop.call(|| around(shop.clone(), plain(), false)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}
