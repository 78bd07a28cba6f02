//! Steps that an earlier run began and this one does not ask for.

use std::time::Duration;

use idempotent_core::testing::TestEngine;
use idempotent_core::{Error, ErrorKind, Operation};

use crate::shop::{Ledger, Shop, failure};

fn shop() -> Shop {
    let test = TestEngine::new(|engine| engine.step_patience(Duration::from_millis(50)));
    Shop { test, ledger: Ledger::default() }
}

#[tokio::test(start_paused = true)]
async fn a_renamed_step_is_refused_before_its_effect() {
    let shop = shop();
    shop.interrupted(|| async {
        shop.step("charge").await?;
        Err(failure().await)
    })
    .await;
    let refused = shop.call(|| shop.step("charge_card")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    let text = refused.to_string();
    assert!(text.contains("`charge_card`") && text.contains("`charge`"), "{text}");
    assert_eq!(shop.ledger.count("charge_card"), 0);
    // The code that began it can still finish it.
    assert_eq!(shop.call(|| shop.step("charge")).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_step_is_refused_when_the_call_ends() {
    let shop = shop();
    shop.interrupted(|| async {
        shop.step("charge").await?;
        shop.step("ship").await?;
        Err(failure().await)
    })
    .await;
    let refused = shop.call(|| shop.step("charge")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert!(refused.to_string().contains("`ship`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_step_renamed_inside_an_unrecorded_outer_step_is_refused_before_its_effect() {
    let shop = shop();
    let outer = |outer: &'static str, inner: &'static str, fails: bool| {
        let shop = shop.clone();
        async move {
            let step = Operation::new(outer).step().returning::<Result<u32, Error>>();
            step.run(|| async {
                shop.step(inner).await?;
                if fails { Err(failure().await) } else { Ok(1) }
            })
            .await
        }
    };
    shop.interrupted(|| outer("outer", "inner", true)).await;
    for (name, inner) in [("outer", "renamed"), ("renamed", "inner")] {
        let refused = shop.call(|| outer(name, inner, false)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Incompatible, "{name} {inner}");
    }
    assert_eq!((shop.ledger.count("inner"), shop.ledger.count("renamed")), (1, 0));
    assert_eq!(shop.call(|| outer("outer", "inner", false)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("inner"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_ran_and_failed_is_named_by_the_next_write() {
    let shop = shop();
    shop.interrupted(|| async {
        let step = Operation::new("notify").step().returning::<Result<u32, Error>>();
        assert!(step.run(|| async { Err(failure().await) }).await.is_err());
        shop.step("charge").await?;
        Err(failure().await)
    })
    .await;
    let refused = shop.call(|| shop.step("charge")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert!(refused.to_string().contains("`notify`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn joined_steps_of_which_any_subset_was_recorded_resume_in_any_poll_order() {
    for recorded in 0..8_u32 {
        for reversed in [false, true] {
            let shop = shop();
            shop.interrupted(|| async {
                for line in (0..3).filter(|line| recorded & 1 << line != 0) {
                    shop.keyed_step("ship", line).await?;
                }
                Err(failure().await)
            })
            .await;
            let total = shop.call(|| async {
                let steps = [0, 1, 2].map(|line| shop.keyed_step("ship", line));
                let [first, second, third] = steps;
                let (a, b, c) = if reversed {
                    let (c, b, a) = tokio::join!(third, second, first);
                    (a, b, c)
                } else {
                    tokio::join!(first, second, third)
                };
                Ok(a? + b? + c?)
            });
            assert_eq!(total.await.unwrap(), 3, "{recorded} {reversed}");
            for line in 0..3 {
                assert_eq!(shop.ledger.count(&format!("ship[{line}]")), 1, "{recorded} {reversed}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_best_effort_step_that_failed_does_not_block_the_resumed_run() {
    let shop = shop();
    let body = |fails: bool| {
        let shop = shop.clone();
        async move {
            let step = Operation::new("notify").step().returning::<Result<u32, Error>>();
            let _ = step.run(|| async { Err(failure().await) }).await;
            shop.step("charge").await?;
            if fails { Err(failure().await) } else { Ok(1) }
        }
    };
    shop.interrupted(|| body(true)).await;
    assert_eq!(shop.call(|| body(false)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}
