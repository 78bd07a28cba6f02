//! What becomes of a call whose store fails at the wrong moment.

use idempotent_core::engine::Recovery;
use idempotent_core::model::RecordId;
use idempotent_core::store::{State, Store as _, StoreErrorKind};
use idempotent_core::testing::{self, Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Operation};
use idempotent_tests::SOON;

use super::counting::pass_until;
use super::{
    ORDER, Order, POLL, checkout, die_in_the_body, id, look_around, recovery, stop, until,
};
use crate::shop::{Shop, failure};

#[tokio::test]
async fn a_declined_checkout_is_not_resumed_after_an_outage_within_its_lease() {
    let shop = Shop::new();
    // Once more than its caller waits for.
    for nth in 1..=4 {
        shop.store().inject(StoreMethod::Suspend, When::Nth(nth), Fault::Fail);
    }
    let declined = shop.test.run(checkout(&ORDER).run(|| async { Err(failure().await) }));
    assert_eq!(declined.await.unwrap_err().kind(), ErrorKind::MissingKey);
    while shop.store().load(&id()).await.unwrap().is_some() {
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(shop.store().calls(StoreMethod::Suspend), 5);
}

#[tokio::test]
async fn a_resume_whose_answer_was_lost_is_no_attempt() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    shop.store().inject(StoreMethod::Resume, When::Nth(1), Fault::LoseAnswer);
    let body = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, body).max_attempts(1).start().unwrap();
    pass_until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 1);
    assert_eq!(shop.store().calls(StoreMethod::Resume), 2);
}

#[tokio::test]
async fn a_call_that_could_not_be_taken_lets_another_one_pass() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let other = Order { id: 8, ..ORDER };
    let died = shop.test.run(async {
        let moment = shop.store().until_answered(StoreMethod::Reserve, 2);
        testing::crash(checkout(&other).run(std::future::pending)).when(moment).await
    });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
    shop.store().inject(StoreMethod::Resume, When::Nth(1), Fault::Fail);
    let (taken, mut order) = tokio::sync::mpsc::unbounded_channel();
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL).concurrency(1);
    let recovery = recovery.operation("checkout", move |order: Order| {
        let taken = taken.clone();
        async move {
            let call = checkout(&order).run(|| async move {
                taken.send(order.id).unwrap();
                Ok(1)
            });
            call.await
        }
    });
    let recovery = recovery.start().unwrap();
    let mut next = async || tokio::time::timeout(SOON, order.recv()).await.unwrap();
    assert_eq!((next().await, next().await), (Some(8), Some(7)));
    stop(recovery).await;
}

#[tokio::test]
async fn a_call_whose_first_step_could_not_begin_goes_on() {
    let shop = Shop::new();
    let full = Fault::FailAs(StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::Nth(1), full);
    let charge = async |shop: Shop| {
        let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let step = step.returning::<Result<u32, Error>>();
        let charged = step.run(|| async {
            shop.ledger.note("charge");
            Ok(1)
        });
        charged.await
    };
    let refused = shop.test.run(checkout(&ORDER).run(|| charge(shop.clone()))).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Store);
    until(&shop, State::Suspended).await;
    // Its owner takes back what has not begun, in a task.
    for _ in 0..20 {
        tokio::time::sleep(POLL).await;
    }
    assert!(!shop.store().load(&id()).await.unwrap().unwrap().record.has_journal());
    assert_eq!(shop.ledger.count("charge"), 0);
    let retried = shop.test.run(checkout(&ORDER).run(|| charge(shop.clone()))).await;
    assert_eq!(retried.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

/// Of another version, or broken: nothing that this process can go on with.
#[tokio::test]
async fn a_call_whose_steps_cannot_be_read_is_left_to_others_and_hides_none() {
    let shop = Shop::new();
    let call = checkout(&ORDER).run(|| async {
        shop.step("charge").await?;
        panic!("after its step");
    });
    let call = std::panic::AssertUnwindSafe(shop.test.run(call));
    assert!(futures::FutureExt::catch_unwind(call).await.is_err());
    until(&shop, State::Suspended).await;
    shop.let_lease_lapse();
    let other = Order { id: 8, ..ORDER };
    let died = shop.test.run(async {
        let moment = shop.store().until_answered(StoreMethod::Reserve, 2);
        testing::crash(checkout(&other).run(std::future::pending)).when(moment).await
    });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
    let unreadable = Fault::FailAs(StoreErrorKind::Malformed);
    shop.store().inject(StoreMethod::LoadSteps, When::Always, unreadable);
    let body = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, body).concurrency(1).max_attempts(1).start().unwrap();
    let id_of_other = RecordId::of("checkout", None, &other.id).unwrap();
    let finished = async {
        loop {
            let found = shop.store().load(&id_of_other).await.unwrap();
            if found.is_some_and(|found| found.state == State::Completed) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(SOON, finished).await.expect("the other one comes to its turn");
    look_around(&shop).await;
    stop(recovery).await;
    assert_eq!(shop.store().calls(StoreMethod::LoadSteps), 1, "it is left alone");
    let left = shop.store().load(&id()).await.unwrap().unwrap();
    assert_eq!((left.state, left.record.attempts()), (State::Suspended, 0), "and not parked");
    assert_eq!(shop.ledger.count("charge"), 2);
}
