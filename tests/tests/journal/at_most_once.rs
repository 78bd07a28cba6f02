//! Steps that are *at most once*.

use std::time::Duration;

use idempotent_core::store::State;
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Operation, testing};

use crate::shop::{Shop, failure};

fn once() -> Operation {
    Operation::new("charge").guarantee(Guarantee::AtMostOnce)
}

async fn charge(shop: &Shop, fails: bool) -> Result<u32, Error> {
    let step = once().step().returning::<Result<u32, Error>>();
    step.run(|| async {
        shop.ledger.note("charge");
        if fails { Err(failure().await) } else { Ok(1) }
    })
    .await
}

#[tokio::test]
async fn it_is_written_before_it_runs_and_when_it_has_ended() {
    let shop = Shop::new();
    assert_eq!(shop.call(|| charge(&shop, false)).await.unwrap(), 1);
    assert_eq!(shop.store().calls(StoreMethod::WriteStep), 2);
}

#[tokio::test]
async fn one_that_was_interrupted_is_not_repeated_and_the_call_waits() {
    let shop = Shop::new();
    let process = {
        let shop = shop.clone();
        async move {
            let step = once().step().returning::<Result<u32, Error>>();
            let body = || async {
                shop.ledger.note("charge");
                std::future::pending::<Result<u32, Error>>().await
            };
            shop.call(|| step.run(body)).await
        }
    };
    let moment = {
        let shop = shop.clone();
        async move {
            while shop.ledger.count("charge") == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    assert!(testing::crash(process).when(moment).await.is_none());
    shop.let_lease_lapse();
    for _ in 0..2 {
        let refused = shop.call(|| charge(&shop, false)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Indeterminate, "{refused}");
    }
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn one_that_a_timeout_dropped_does_not_start_again_in_that_run() {
    let shop = Shop::new();
    let call = shop.call(|| async {
        let step = once().step().returning::<Result<u32, Error>>();
        let slow = step.run(|| async {
            shop.ledger.note("charge");
            std::future::pending().await
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), slow).await.is_err());
        charge(&shop, false).await
    });
    assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Indeterminate);
    assert_eq!(shop.ledger.count("charge"), 1);
    let refused = shop.call(|| charge(&shop, false)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn one_that_failed_before_its_effect_runs_again() {
    let shop = Shop::new();
    shop.interrupted(|| charge(&shop, true)).await;
    assert_eq!(shop.call(|| charge(&shop, false)).await.unwrap(), 1);
    assert_eq!((shop.ledger.count("charge"), shop.ledger.distinct("charge")), (2, 1));
}

#[tokio::test]
async fn a_beginning_whose_answer_was_lost_succeeds_when_it_is_repeated() {
    let shop = Shop::new();
    shop.store().inject(StoreMethod::WriteStep, When::Nth(1), Fault::LoseAnswer);
    assert_eq!(shop.call(|| charge(&shop, false)).await.unwrap(), 1);
    assert_eq!(shop.store().calls(StoreMethod::WriteStep), 3);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_sleeps_between_the_beginning_and_the_body_starts_nothing_after_its_lease() {
    let shop = Shop::new();
    // Renewals fail, too: nobody prolongs the lease.
    shop.store().inject(StoreMethod::Renew, When::Always, Fault::Fail);
    let asleep = Fault::DelayAnswer(Duration::from_secs(4));
    shop.store().inject(StoreMethod::WriteStep, When::Nth(1), asleep);
    let call = || {
        let call = Operation::new("checkout").lease(Duration::from_secs(3)).key("order 7");
        call.engine(&shop.test.engine()).returning::<Result<u32, Error>>()
    };
    let refused = call().run(|| charge(&shop, false)).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::InProgress | ErrorKind::Store), "{refused}");
    assert_eq!(shop.ledger.count("charge"), 0);
}

#[tokio::test]
async fn a_step_in_doubt_makes_the_call_indeterminate_at_once() {
    let shop = Shop::new();
    // The beginning is written, and its result is not.
    shop.store().inject(
        StoreMethod::WriteStep,
        When::From(2),
        Fault::FailAs(idempotent_core::store::StoreErrorKind::Full),
    );
    let refused = shop.call(|| charge(&shop, false)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    let engine = shop.test.engine();
    let seen = engine.scan(&idempotent_core::store::Scan::all()).await.unwrap();
    assert_eq!(seen.entries[0].state(), State::Indeterminate);
}
