//! A run goes on where the one before ended.

use idempotent_core::store::{Scan, State, Store as _};
use idempotent_core::testing::StoreMethod;
use idempotent_core::{Error, ErrorKind, Operation, testing};

use crate::shop::{Shop, failure};

#[tokio::test]
async fn a_call_of_steps_runs_each_once_and_is_recorded_as_a_whole() {
    let shop = Shop::new();
    for _ in 0..2 {
        let total = shop
            .call(|| async { Ok(shop.step("charge").await? + shop.keyed_step("ship", 2).await?) });
        assert_eq!(total.await.unwrap(), 3);
    }
    assert_eq!((shop.ledger.count("charge"), shop.ledger.count("ship[2]")), (1, 1));
}

#[tokio::test]
async fn k_steps_are_k_writes_beside_the_reservation_and_the_result() {
    let shop = Shop::new();
    let total = shop.call(|| async {
        let mut total = 0;
        for line in 1..=5 {
            total += shop.keyed_step("ship", line).await?;
        }
        Ok(total)
    });
    assert_eq!(total.await.unwrap(), 15);
    let calls = |method| shop.store().calls(method);
    assert_eq!((calls(StoreMethod::Reserve), calls(StoreMethod::Complete)), (1, 1));
    assert_eq!((calls(StoreMethod::WriteStep), calls(StoreMethod::LoadSteps)), (5, 0));
    assert_eq!((calls(StoreMethod::Release), calls(StoreMethod::Suspend)), (0, 0));
}

#[tokio::test]
async fn a_call_without_steps_makes_no_call_about_journals() {
    let shop = Shop::new();
    shop.call(|| async { Ok(1) }).await.unwrap();
    for method in
        [StoreMethod::WriteStep, StoreMethod::LoadSteps, StoreMethod::Resume, StoreMethod::Suspend]
    {
        assert_eq!(shop.store().calls(method), 0, "{method:?}");
    }
}

#[tokio::test]
async fn a_retry_after_an_error_resumes_and_repeats_no_recorded_step() {
    let shop = Shop::new();
    shop.interrupted(|| async {
        shop.step("charge").await?;
        Err(failure().await)
    })
    .await;
    let page = shop.store().scan(&Scan::unfinished()).await.unwrap();
    assert_eq!(page.entries[0].1.state, State::Suspended);

    let total = shop.call(|| async { Ok(shop.step("charge").await? + shop.step("ship").await?) });
    assert_eq!(total.await.unwrap(), 2);
    assert_eq!((shop.ledger.count("charge"), shop.ledger.count("ship")), (1, 1));
    assert_eq!(shop.store().calls(StoreMethod::LoadSteps), 1);
    assert_eq!(shop.store().calls(StoreMethod::Resume), 1);
}

#[tokio::test]
async fn a_retry_after_a_crash_resumes_once_the_lease_has_lapsed() {
    let shop = Shop::new();
    let process = {
        let shop = shop.clone();
        async move {
            shop.call(|| async {
                shop.step("charge").await?;
                std::future::pending().await
            })
            .await
        }
    };
    let moment = shop.store().until_answered(StoreMethod::WriteStep, 1);
    assert!(testing::crash(process).when(moment).await.is_none());
    let body = || async { Ok(shop.step("charge").await? + shop.step("ship").await?) };
    assert_eq!(shop.call(body).await.unwrap_err().kind(), ErrorKind::InProgress);
    shop.let_lease_lapse();
    assert_eq!(shop.call(body).await.unwrap(), 2);
    assert_eq!((shop.ledger.count("charge"), shop.ledger.count("ship")), (1, 1));
}

#[tokio::test]
async fn a_step_that_was_interrupted_before_its_record_runs_again_with_the_same_keys() {
    let shop = Shop::new();
    let fails_once = |shop: Shop, fails: bool| async move {
        let step = Operation::new("charge").step().returning::<Result<u32, Error>>();
        step.run(|| async {
            shop.ledger.note("charge");
            if fails { Err(failure().await) } else { Ok(1) }
        })
        .await
    };
    shop.interrupted(|| async {
        shop.step("hold").await?;
        fails_once(shop.clone(), true).await
    })
    .await;
    shop.call(|| async {
        shop.step("hold").await?;
        fails_once(shop.clone(), false).await
    })
    .await
    .unwrap();
    assert_eq!((shop.ledger.count("charge"), shop.ledger.distinct("charge")), (2, 1));
}

#[tokio::test]
async fn a_waiter_that_finds_a_suspended_call_resumes_it() {
    let shop = Shop::new();
    let first = shop.call(|| async {
        shop.step("charge").await?;
        tokio::task::yield_now().await;
        Err(failure().await)
    });
    let waiting = Operation::new("checkout").wait(crate::shop::LEASE).key("order 7");
    let waiting = waiting.engine(&shop.test.engine()).returning::<Result<u32, Error>>();
    let second = waiting.run(|| async { shop.step("charge").await });
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap_err().kind(), ErrorKind::MissingKey);
    assert_eq!(second.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn steps_within_a_step_are_not_repeated_either() {
    let shop = Shop::new();
    let outer = |shop: Shop, fails: bool| async move {
        let step = Operation::new("outer").step().returning::<Result<u32, Error>>();
        let body = shop.clone();
        step.run(|| async move {
            let inner = body.step("inner").await?;
            if fails { Err(failure().await) } else { Ok(inner + 1) }
        })
        .await
    };
    shop.interrupted(|| outer(shop.clone(), true)).await;
    assert_eq!(shop.call(|| outer(shop.clone(), false)).await.unwrap(), 2);
    assert_eq!(shop.ledger.count("inner"), 1);
}

#[tokio::test]
async fn a_retry_of_a_step_in_the_same_run_is_the_same_step() {
    let shop = Shop::new();
    let tries = std::sync::atomic::AtomicU32::new(0);
    let charge = || async {
        let step = Operation::new("charge").step().returning::<Result<u32, Error>>();
        step.run(|| async {
            shop.ledger.note("charge");
            if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                return Err(failure().await);
            }
            Ok(1)
        })
        .await
    };
    // `backon` around a step, and a crash after its second try.
    shop.interrupted(|| async {
        assert!(charge().await.is_err());
        charge().await?;
        Err(failure().await)
    })
    .await;
    assert_eq!(shop.call(charge).await.unwrap(), 1);
    assert_eq!((shop.ledger.count("charge"), shop.ledger.distinct("charge")), (2, 1));
}

#[tokio::test]
async fn a_key_that_expired_and_was_won_again_loads_nothing_old() {
    let shop = Shop::new();
    shop.interrupted(|| async {
        shop.step("charge").await?;
        Err(failure().await)
    })
    .await;
    shop.test.clock().advance(std::time::Duration::from_secs(31 * 24 * 60 * 60));
    assert_eq!(shop.call(|| shop.step("charge")).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 2);
    assert_eq!(shop.store().calls(StoreMethod::LoadSteps), 0);
}

#[tokio::test]
async fn a_call_without_fingerprint_does_not_resume_one_that_has_it() {
    let shop = Shop::new();
    let call = |payload: Option<u32>| {
        let call = Operation::new("checkout").key("order 7").engine(&shop.test.engine());
        let call = match payload {
            Some(payload) => call.fingerprint(&payload),
            None => call,
        };
        call.returning::<Result<u32, Error>>()
    };
    let interrupted = call(Some(1)).run(|| async {
        shop.step("charge").await?;
        Err(failure().await)
    });
    assert_eq!(interrupted.await.unwrap_err().kind(), ErrorKind::MissingKey);
    for payload in [None, Some(2)] {
        let refused = call(payload).run(|| shop.step("charge")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FingerprintMismatch);
    }
    assert_eq!(call(Some(1)).run(|| shop.step("charge")).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn ten_thousand_steps_resume_and_none_is_written_again() {
    let shop = Shop::new();
    let all = |fails: bool| {
        let shop = &shop;
        async move {
            for line in 0..9_999 {
                shop.keyed_step("ship", line).await?;
            }
            if fails { Err(failure().await) } else { Ok(1) }
        }
    };
    shop.interrupted(|| all(true)).await;
    assert_eq!(shop.call(|| all(false)).await.unwrap(), 1);
    assert_eq!(shop.store().calls(StoreMethod::WriteStep), 9_999);
}
