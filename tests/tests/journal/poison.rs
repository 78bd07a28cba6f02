//! Runs that may not go on.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::store::{Scan, StoreErrorKind};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Operation, current};
use tokio::sync::Notify;

use crate::shop::{Shop, failure};

/// A store that answers no write of steps, so the lease ends first.
fn fail_writes(shop: &Shop) {
    let fault = Fault::FailAs(StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::Always, fault);
}

#[tokio::test]
async fn a_step_whose_record_failed_suspends_a_call_whose_body_returned_ok() {
    let shop = Shop::new();
    shop.interrupted(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    })
    .await;
    fail_writes(&shop);
    let call = shop.call(|| async {
        shop.step("hold").await?;
        let refused = shop.step("charge").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Store);
        Ok(1)
    });
    assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Store);
    shop.store().heal();
    let body = || async { Ok(shop.step("hold").await? + shop.step("charge").await?) };
    assert_eq!(shop.call(body).await.unwrap(), 2);
    assert_eq!((shop.ledger.count("hold"), shop.ledger.distinct("charge")), (1, 1));
}

#[tokio::test]
async fn no_further_step_of_a_poisoned_run_starts() {
    let shop = Shop::new();
    fail_writes(&shop);
    let call = shop.call(|| async {
        assert!(shop.step("charge").await.is_err());
        // A compensation after a swallowed error, for instance.
        assert_eq!(shop.step("refund").await.unwrap_err().kind(), ErrorKind::Store);
        Ok(1)
    });
    assert!(call.await.is_err());
    assert_eq!(shop.ledger.count("refund"), 0);
}

#[tokio::test]
async fn a_swallowed_error_and_its_compensation_stop_the_other_branch() {
    let shop = Shop::new();
    shop.interrupted(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    })
    .await;
    fail_writes(&shop);
    let call = shop.call(|| async {
        shop.step("hold").await?;
        let branch = async {
            tokio::task::yield_now().await;
            shop.step("ship").await
        };
        let charge = async {
            let _ = shop.step("charge").await;
            shop.step("refund").await
        };
        let (ship, refund) = tokio::join!(branch, charge);
        assert!(ship.is_err() && refund.is_err());
        Ok(1)
    });
    assert!(call.await.is_err());
    assert_eq!((shop.ledger.count("ship"), shop.ledger.count("refund")), (0, 0));
}

#[tokio::test]
async fn a_timeout_around_a_step_ends_the_run_and_the_text_says_where_to_put_it() {
    let shop = Shop::new();
    let call = shop.call(|| async {
        shop.step("hold").await?;
        let step = Operation::new("slow").step().returning::<Result<u32, Error>>();
        let slow = step.run(|| async {
            shop.ledger.note("slow");
            std::future::pending().await
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), slow).await.is_err());
        assert!(shop.step("charge").await.is_err());
        Ok(1)
    });
    let refused = call.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OwnerFailed);
    assert!(refused.to_string().contains("put the timeout inside the step"), "{refused}");
    assert_eq!((shop.ledger.count("slow"), shop.ledger.count("charge")), (1, 0));
    // The next run goes on.
    let body = || async {
        shop.step("hold").await?;
        shop.step("slow").await
    };
    assert_eq!(shop.call(body).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("hold"), 1);
}

#[tokio::test]
async fn outer_memoize_all_keeps_no_inner_store_error() {
    let shop = Shop::new();
    fail_writes(&shop);
    let call = || {
        let call = Operation::new("checkout").key("order 7").engine(&shop.test.engine());
        call.returning_or::<Result<u32, String>>(|error| error.to_string()).memoize_errors()
    };
    let body = || async { shop.step("charge").await.map_err(|error| error.to_string()) };
    assert!(call().run(body).await.is_err());
    shop.store().heal();
    assert_eq!(call().run(body).await, Ok(1));
}

#[tokio::test]
async fn a_fenced_owner_runs_no_further_step() {
    let shop = Shop::new();
    let (first, second) = (shop.clone(), shop.clone());
    let body = |shop: Shop| async move {
        shop.step("hold").await?;
        shop.step("charge").await
    };
    let late = first.call(|| async {
        first.step("hold").await?;
        // Its lease lapses, and another run takes the call.
        first.let_lease_lapse();
        assert_eq!(second.call(|| body(second.clone())).await?, 1);
        let refused = first.step("notify").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InProgress);
        assert!(first.step("more").await.is_err());
        Ok(1)
    });
    assert_eq!(late.await.unwrap_err().kind(), ErrorKind::InProgress);
    assert_eq!((shop.ledger.count("charge"), shop.ledger.count("more")), (1, 0));
    assert_eq!(shop.call(|| body(shop.clone())).await.unwrap(), 1);
}

#[tokio::test]
async fn a_step_that_another_ones_error_dropped_says_so_and_nobody_has_waited_for_a_call() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        let slow = Operation::new("slow").step().returning::<Result<u32, Error>>();
        let failing = Operation::new("failing").step().returning::<Result<u32, Error>>();
        let both = async {
            tokio::try_join!(
                biased;
                slow.run(std::future::pending),
                failing.run(|| async { Err(failure().await) }),
            )
        };
        let (one, other) = both.await?;
        Ok(one + other)
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OwnerFailed);
    let text = refused.to_string();
    assert!(text.contains("the call was interrupted and is suspended"), "{text}");
    assert!(text.contains("step `slow`: it was dropped") && text.contains("`try_join!`"), "{text}");
    assert!(!text.contains("waited for"), "{text}");
}

#[tokio::test]
async fn a_call_whose_body_returned_an_error_says_so_to_whoever_inspects_it() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    let engine = shop.test.engine();
    let seen = engine.scan(&Scan::unfinished()).await.unwrap().entries.remove(0);
    assert_eq!(
        seen.last_error(),
        Some("its body returned what is not recorded, as an `Err` by default")
    );
}

#[tokio::test]
async fn a_step_that_is_still_running_when_its_call_ends_is_told_so() {
    let shop = Shop::new();
    let (go_on, running) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, begun) = (Arc::clone(&go_on), Arc::clone(&running));
    let (send, receive) = tokio::sync::oneshot::channel();
    let call = shop.call(|| async {
        shop.step("hold").await?;
        let late = Operation::new("late").step().returning::<Result<u32, Error>>();
        let late = late.run(|| async move {
            begun.notify_one();
            wait.notified().await;
            Ok(1)
        });
        let late = tokio::spawn(current().unwrap().scope(late));
        running.notified().await;
        send.send(late).ok();
        Ok(1)
    });
    assert_eq!(call.await.unwrap(), 1);
    go_on.notify_one();
    let refused = receive.await.unwrap().await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("its call has ended while it ran"), "{refused}");
}
