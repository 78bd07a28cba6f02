//! Which runs are an attempt of which recovery: those of the call that it has taken, in whatever task, and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use idempotent_core::call::Call;
use idempotent_core::engine::Recovery;
use idempotent_core::model::RecordId;
use idempotent_core::store::{State, StoreErrorKind};
use idempotent_core::testing::{self, Fault, StoreMethod, When};
use idempotent_core::{Error, Operation};
use tokio::sync::Notify;

use super::counting::pass_until;
use super::{LEASE, ORDER, Order, POLL, checkout, die_in_the_body, recovery, stop};
use crate::shop::Shop;

const FULL: Fault = Fault::FailAs(StoreErrorKind::Full);

fn shipment(order: &Order) -> Call<u32, Error> {
    let call = Operation::new("shipment").lease(LEASE).key(&order.id).resume(order);
    call.returning::<Result<u32, Error>>()
}

/// How often recoveries have taken the shipment.
async fn attempts(shop: &Shop) -> u32 {
    let id = RecordId::of("shipment", None, &ORDER.id).unwrap();
    shop.test.engine().inspect(&id).await.unwrap().unwrap().attempts()
}

/// A shipment that a recovery has tried once, and that has panicked.
async fn panic_once(shop: &Shop) {
    let reserved = shop.store().answered(StoreMethod::Reserve);
    let moment = shop.store().until_answered(StoreMethod::Reserve, reserved + 1);
    let call = shipment(&ORDER).run(std::future::pending);
    let died = shop.test.run(async move { testing::crash(call).when(moment).await });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
    let suspended = shop.store().answered(StoreMethod::Suspend);
    let shipping = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let shipping = shipping.operation("shipment", |order: Order| async move {
        shipment(&order).run(|| async { panic!("always") }).await
    });
    let shipping = shipping.start().unwrap();
    while shop.store().answered(StoreMethod::Suspend) == suspended {
        tokio::time::sleep(POLL).await;
    }
    stop(shipping).await;
    assert_eq!(attempts(shop).await, 1);
}

#[tokio::test]
async fn a_call_within_a_resumed_one_has_its_attempts_to_itself() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    panic_once(&shop).await;
    shop.store().inject(StoreMethod::WriteStep, When::Always, FULL);
    let refused = Arc::new(Notify::new());
    let told = Arc::clone(&refused);
    let body = move |shop: Shop| {
        let told = Arc::clone(&told);
        async move {
            let within = shipment(&ORDER).run(|| shop.step("pack")).await;
            told.notify_one();
            within
        }
    };
    let outer = recovery(&shop, body).start().unwrap();
    refused.notified().await;
    stop(outer).await;
    assert_eq!(attempts(&shop).await, 1, "the shipment's own recovery has tried it once");
}

#[tokio::test]
async fn a_resumed_run_that_goes_on_in_another_task_is_an_attempt_of_its_recovery() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    shop.store().inject(StoreMethod::WriteStep, When::Always, FULL);
    let runs = Arc::new(AtomicUsize::new(0));
    let (here, counted) = (shop.clone(), Arc::clone(&runs));
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL).max_attempts(1);
    let recovery = recovery.operation("checkout", move |order: Order| {
        let (shop, counted) = (here.clone(), Arc::clone(&counted));
        let (begun, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (has_begun, is_left) = (Arc::clone(&begun), Arc::clone(&left));
        async move {
            let call = checkout(&order).run_detached(move || async move {
                has_begun.notify_one();
                is_left.notified().await;
                counted.fetch_add(1, Ordering::Relaxed);
                shop.step("charge").await
            });
            tokio::select! {
                biased;
                _ = call => {}
                () = begun.notified() => {}
            }
            left.notify_one();
        }
    });
    let recovery = recovery.start().unwrap();
    let third_run = async {
        while runs.load(Ordering::Relaxed) < 3 {
            shop.let_lease_lapse();
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), third_run).await.expect("it is parked");
    shop.store().heal();
    pass_until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.distinct("charge"), 1);
}
