//! Which runs count as attempts, and what becomes of a call that nobody can finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use idempotent_core::engine::Recovery;
use idempotent_core::store::{State, Store as _};
use idempotent_core::testing::{self, Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Operation};

use super::{
    ORDER, Order, POLL, checkout, die_in_the_body, id, look_around, recovery, stop, until,
};
use crate::shop::{LEASE, Shop};

/// Lets time pass until the call is in this state.
pub(super) async fn pass_until(shop: &Shop, state: State) {
    loop {
        let entry = shop.store().load(&id()).await.unwrap();
        if entry.is_some_and(|entry| entry.state == state) {
            return;
        }
        shop.test.clock().advance(Duration::from_secs(60));
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_call_that_kills_every_process_is_parked_and_resumes_when_told() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    for attempt in 1..=2 {
        let process = recovery(&shop, |_| std::future::pending()).max_attempts(2);
        let moment = shop.store().until_answered(StoreMethod::Resume, attempt);
        let died = shop.test.run(async move {
            let process = async move {
                let _recovery = process.start().unwrap();
                std::future::pending::<()>().await;
            };
            testing::crash(process).when(moment).await
        });
        assert!(died.await.is_none());
        shop.test.clock().advance(Duration::from_secs(3600));
    }
    let body = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, body).max_attempts(2).start().unwrap();
    until(&shop, State::Indeterminate).await;
    let engine = shop.test.engine();
    let parked = engine.inspect(&id()).await.unwrap().unwrap();
    let why = parked.last_error().unwrap();
    assert!(why.contains("claimed 2 times"), "{why}");
    let refused = shop.test.run(checkout(&ORDER).run(|| async { Ok(1) })).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    assert!(refused.to_string().contains("it is parked"), "{refused}");
    assert!(parked.is_parked());
    look_around(&shop).await;
    assert_eq!(shop.ledger.count("charge"), 0, "nobody has said so");

    engine.resume(&parked).await.unwrap();
    pass_until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_changed_input_type_is_parked() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let recovery = recovery.operation("checkout", |_: (String, Vec<bool>)| async {});
    let recovery = recovery.start().unwrap();
    until(&shop, State::Indeterminate).await;
    stop(recovery).await;
    let parked = shop.test.engine().inspect(&id()).await.unwrap().unwrap();
    let why = parked.last_error().unwrap();
    assert!(why.contains("decoded") && !why.contains("1990"), "{why}");
}

#[tokio::test]
async fn a_call_whose_recorded_step_cannot_be_decoded_is_parked_by_the_steps_name() {
    let shop = Shop::new();
    let call = checkout(&ORDER).run(|| async {
        shop.step("charge").await?;
        panic!("after its step");
    });
    let call = std::panic::AssertUnwindSafe(shop.test.run(call));
    assert!(futures::FutureExt::catch_unwind(call).await.is_err());
    let body = |shop: Shop| async move {
        let charge = Operation::new("charge").step().returning::<Result<String, Error>>();
        let receipt = charge.run(|| async {
            shop.ledger.note("charge");
            Ok(String::new())
        });
        Ok(u32::try_from(receipt.await?.len()).unwrap())
    };
    let recovery = recovery(&shop, body).max_attempts(2).start().unwrap();
    pass_until(&shop, State::Indeterminate).await;
    stop(recovery).await;
    let parked = shop.test.engine().inspect(&id()).await.unwrap().unwrap();
    let why = parked.last_error().unwrap();
    assert!(why.contains("step `charge`") && why.contains("this call's type"), "{why}");
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_parked_call_that_an_operator_purges_is_gone() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let recovery = recovery.operation("checkout", |_: (String, Vec<bool>)| async {});
    let recovery = recovery.start().unwrap();
    until(&shop, State::Indeterminate).await;
    stop(recovery).await;
    let engine = shop.test.engine();
    let parked = engine.inspect(&id()).await.unwrap().unwrap();
    assert!(engine.purge_if_unchanged(&parked).await.unwrap());
    assert!(shop.store().load(&id()).await.unwrap().is_none());
    assert!(!engine.purge_if_unchanged(&parked).await.unwrap());
}

#[tokio::test]
async fn attempts_begin_anew_with_each_newly_recorded_step() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    // Each run records one step more and panics, which is more often than a call may fail.
    let body = |shop: Shop| async move {
        for line in 1..=5 {
            let before = shop.ledger.count(&format!("ship[{line}]"));
            shop.keyed_step("ship", line).await?;
            assert_ne!(before, 0, "a new step");
        }
        Ok(1)
    };
    let recovery = recovery(&shop, body).max_attempts(1).start().unwrap();
    pass_until(&shop, State::Completed).await;
    stop(recovery).await;
}

#[tokio::test]
async fn a_body_that_always_panics_is_parked() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let body = move |_: Shop| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { panic!("always") }
    };
    let recovery = recovery(&shop, body).max_attempts(3).start().unwrap();
    pass_until(&shop, State::Indeterminate).await;
    stop(recovery).await;
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_run_that_ended_because_the_store_failed_does_not_count() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let full = Fault::FailAs(idempotent_core::store::StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::Always, full);
    let body = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, body).max_attempts(1).start().unwrap();
    while shop.store().calls(StoreMethod::WriteStep) < 3 {
        shop.test.clock().advance(Duration::from_secs(60));
        tokio::time::sleep(POLL).await;
    }
    shop.store().heal();
    pass_until(&shop, State::Completed).await;
    stop(recovery).await;
}

#[tokio::test]
async fn a_retry_that_ended_because_the_store_failed_takes_no_attempt_away() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let body = move |_: Shop| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { panic!("always") }
    };
    let first = recovery(&shop, body.clone()).max_attempts(1).start().unwrap();
    pass_until(&shop, State::Suspended).await;
    while runs.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(POLL).await;
    }
    stop(first).await;
    // The client comes back, and the store fails it.
    let full = Fault::FailAs(idempotent_core::store::StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::Always, full);
    let retried = checkout(&ORDER).run(|| shop.step("charge"));
    assert!(shop.test.run(retried).await.is_err());
    shop.store().heal();
    let second = recovery(&shop, body).max_attempts(1).start().unwrap();
    pass_until(&shop, State::Indeterminate).await;
    stop(second).await;
    assert_eq!(runs.load(Ordering::Relaxed), 1, "it was resumed as often as it may be");
}

#[tokio::test]
async fn a_call_of_another_version_is_left_to_those_who_know_it() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let newer = Recovery::new(&shop.test.engine()).poll_every(POLL).max_attempts(1);
    let newer = newer.operation("checkout", |order: Order| async move {
        let call = Operation::new("checkout").version(2).accept(1, 2).lease(LEASE);
        let call = call.key(&order.id).resume(&order).returning::<Result<u32, Error>>();
        call.run(|| async { Ok(2) }).await
    });
    let newer = newer.start().unwrap();
    while shop.store().answered(StoreMethod::Suspend) == 0 {
        tokio::time::sleep(POLL).await;
    }
    look_around(&shop).await;
    assert_eq!(shop.store().calls(StoreMethod::Resume), 1, "it is left alone");
    // For a while.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
    while shop.store().calls(StoreMethod::Resume) < 2 {
        shop.test.clock().advance(Duration::from_secs(60));
        tokio::time::sleep(POLL).await;
    }
    let body = |shop: Shop| async move { shop.step("charge").await };
    let older = recovery(&shop, body).max_attempts(1).start().unwrap();
    pass_until(&shop, State::Completed).await;
    stop(older).await;
    stop(newer).await;
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_renamed_step_is_left_to_those_who_know_it() {
    let shop = Shop { test: quick(), ..Shop::new() };
    let call = shop.test.run(checkout(&ORDER).run(|| async {
        shop.step("charge").await?;
        panic!("after its step");
    }));
    let call = std::panic::AssertUnwindSafe(call);
    assert!(futures::FutureExt::catch_unwind(call).await.is_err());
    until(&shop, State::Suspended).await;
    let renamed = |shop: Shop| async move { shop.step("charge_card").await };
    let newer = recovery(&shop, renamed).max_attempts(1).start().unwrap();
    shop.let_lease_lapse();
    while shop.store().answered(StoreMethod::Suspend) < 2 {
        tokio::time::sleep(POLL).await;
    }
    look_around(&shop).await;
    assert_eq!(shop.store().calls(StoreMethod::Resume), 1, "it is left alone");
    assert_eq!(shop.ledger.count("charge_card"), 0);
    let known = |shop: Shop| async move { shop.step("charge").await };
    let older = recovery(&shop, known).max_attempts(1).start().unwrap();
    pass_until(&shop, State::Completed).await;
    stop(older).await;
    stop(newer).await;
    assert_eq!(shop.ledger.count("charge"), 1);
}

fn quick() -> testing::TestEngine {
    testing::TestEngine::new(|builder| builder.step_patience(Duration::from_millis(50)))
}
