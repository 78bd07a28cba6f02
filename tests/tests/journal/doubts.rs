//! What operators see of steps in doubt, and how they take back what they said.

use std::sync::Arc;

use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::{StepId, StepStatus};
use idempotent_core::store::{Scan, State};
use idempotent_core::testing::{self, StoreMethod, TestEngine};
use idempotent_core::{Error, ErrorKind, Guarantee, Operation};
use tokio::sync::Notify;

use crate::shop::{Ledger, Shop, failure};

/// A checkout of two steps, the second of which never ends if somebody is to be told that it has begun.
async fn checkout(shop: &Shop, hangs: Option<Arc<Notify>>) -> Result<u32, Error> {
    let call = shop.call(|| async {
        let held = shop.step("hold").await?;
        let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let step = step.returning::<Result<u32, Error>>();
        let charged = step.run(|| async {
            shop.ledger.note("charge");
            let Some(begun) = &hangs else { return Ok(1) };
            begun.notify_one();
            std::future::pending().await
        });
        Ok(held + charged.await?)
    });
    call.await
}

/// A process that dies in its second step. Nobody resumes the call.
async fn die_in_the_charge(shop: &Shop) {
    let begun = Arc::new(Notify::new());
    let (here, told) = (shop.clone(), Arc::clone(&begun));
    let process = async move { checkout(&here, Some(told)).await };
    let died = testing::crash(process).when(async move { begun.notified().await });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
}

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

fn entry_bytes(seen: &Inspection, name: &str) -> usize {
    seen.steps().iter().find(|(_, step)| step.name() == name).unwrap().1.as_bytes().len()
}

#[tokio::test]
async fn a_step_that_was_resolved_wrongly_is_corrected_before_the_call_goes_on() {
    let shop = Shop::new();
    die_in_the_charge(&shop).await;
    let engine = shop.test.engine();
    let seen = in_doubt(&shop).await.remove(0);
    let id = step(&seen, "charge");
    let untouched = engine.correct_step(&seen, &id, Resolution::completed(9_u32)).await;
    assert_eq!(untouched.unwrap_err().kind(), ErrorKind::Misconfigured);
    let recorded = step(&seen, "hold");
    let is_final = engine.correct_step(&seen, &recorded, Resolution::completed(9_u32)).await;
    assert_eq!(is_final.unwrap_err().kind(), ErrorKind::Misconfigured);
    // That it never happened was wrong: the next run would charge again.
    let never = Resolution::never_happened_and_owner_is_dead();
    engine.resolve_step(&seen, &id, never).await.unwrap();
    let seen = inspect(&shop).await;
    assert!(seen.steps().iter().any(|(_, step)| step.is_resolved()));
    let typed = engine.correct_step(&seen, &id, Resolution::completed("receipt 7")).await;
    assert_eq!(typed.unwrap_err().kind(), ErrorKind::Encode);
    engine.correct_step(&seen, &id, Resolution::completed(8_u32)).await.unwrap();
    let stale = engine.correct_step(&seen, &id, Resolution::completed(7_u32)).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Indeterminate);
    let seen = inspect(&shop).await;
    engine.correct_step(&seen, &id, Resolution::completed(9_u32)).await.unwrap();
    assert_eq!(checkout(&shop, None).await.unwrap(), 10);
    assert_eq!(shop.ledger.count("charge"), 1, "it was not run again");
}

#[tokio::test]
async fn a_step_whose_value_no_run_can_read_is_corrected_and_the_call_goes_on() {
    let shop = Shop::new();
    die_in_the_charge(&shop).await;
    let engine = shop.test.engine();
    let seen = in_doubt(&shop).await.remove(0);
    let id = step(&seen, "charge");
    for wrong in [Resolution::completed("receipt 7"), Resolution::failed(7_u32)] {
        let refused = engine.resolve_step(&seen, &id, wrong).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Encode);
        assert!(refused.to_string().contains("step `charge`"), "{refused}");
    }
    let said = Resolution::completed("receipt 7").of_any_type();
    engine.resolve_step(&seen, &id, said).await.unwrap();
    assert_eq!(checkout(&shop, None).await.unwrap_err().kind(), ErrorKind::Decode);
    let seen = inspect(&shop).await;
    let again = engine.resolve_step(&seen, &id, Resolution::completed(9_u32)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Misconfigured);
    engine.correct_step(&seen, &id, Resolution::completed(9_u32)).await.unwrap();
    assert_eq!(checkout(&shop, None).await.unwrap(), 10);
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
async fn a_scan_for_doubts_loads_the_journals_that_have_some_and_keeps_no_results() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    let loaded = shop.store().calls(StoreMethod::LoadSteps);
    assert_eq!(in_doubt(&shop).await.len(), 0);
    assert_eq!(shop.store().calls(StoreMethod::LoadSteps), loaded);

    die_in_the_charge(&shop).await;
    let found = in_doubt(&shop).await.remove(0);
    let heads = |seen: &Inspection| -> Vec<_> {
        let steps = seen.steps().iter();
        steps.map(|(id, step)| (*id, step.name().to_owned(), step.status(), step.took())).collect()
    };
    let whole = inspect(&shop).await;
    assert_eq!(heads(&found), heads(&whole));
    // What an entry has before its result.
    let head = 69 + "hold".len();
    assert!(entry_bytes(&whole, "hold") > head);
    assert_eq!(entry_bytes(&found, "hold"), head);
    assert_eq!(entry_bytes(&found, "charge"), entry_bytes(&whole, "charge"));
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
