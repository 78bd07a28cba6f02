//! Somebody finishes a call that was interrupted and that nobody retries.

mod attempts;
mod counting;
mod no_index;
mod outages;
mod stopping;
mod stores;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use idempotent_core::call::Call;
use idempotent_core::engine::{Recovery, RunningRecovery};
use idempotent_core::model::RecordId;
use idempotent_core::store::{Due, State, Store as _};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Disposition, Error, ErrorKind, Operation, testing};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use self::no_index::NoIndex;
use crate::shop::{LEASE, Shop, failure};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    cents: u32,
}

const ORDER: Order = Order { id: 7, cents: 1990 };

const POLL: Duration = Duration::from_millis(2);

fn checkout(order: &Order) -> Call<u32, Error> {
    let call = Operation::new("checkout").lease(LEASE).key(&order.id).resume(order);
    call.returning::<Result<u32, Error>>()
}

fn id() -> RecordId {
    RecordId::of("checkout", None, &ORDER.id).unwrap()
}

/// A recovery of this shop whose calls have this body.
fn recovery<F, Fut>(shop: &Shop, body: F) -> Recovery
where
    F: Fn(Shop) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<u32, Error>> + Send + 'static,
{
    let here = shop.clone();
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    recovery.operation("checkout", move |order: Order| {
        let (shop, body) = (here.clone(), body.clone());
        async move { checkout(&order).run(|| body(shop)).await }
    })
}

/// A process that dies in the body of its call, before anything else.
async fn die_in_the_body(shop: &Shop) {
    let moment = shop.store().until_answered(StoreMethod::Reserve, 1);
    let call = checkout(&ORDER).run(std::future::pending);
    let died = shop.test.run(async move { testing::crash(call).when(moment).await });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
}

/// Waits until the call is in this state.
async fn until(shop: &Shop, state: State) {
    loop {
        let entry = shop.store().load(&id()).await.unwrap();
        if entry.is_some_and(|entry| entry.state == state) {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn due(shop: &Shop) -> usize {
    let index = shop.store().due_calls().unwrap();
    index.due(&Due::new(&["checkout"], 10)).await.unwrap().len()
}

/// Lets every lease and pause be over, and recovery look a few times.
async fn look_around(shop: &Shop) {
    for _ in 0..5 {
        shop.test.clock().advance(Duration::from_secs(3600));
        tokio::time::sleep(POLL * 5).await;
    }
}

async fn stop(recovery: RunningRecovery) {
    tokio::time::timeout(Duration::from_secs(60), recovery.stop()).await.unwrap();
}

#[tokio::test]
async fn recovery_finds_a_call_whose_owner_died_right_after_reserve() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let finish = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, finish).start().unwrap();
    until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 1);
    let replayed = shop.test.run(checkout(&ORDER).run(|| async { Ok(0) })).await;
    assert_eq!(replayed.unwrap(), 1);
}

#[tokio::test]
async fn a_call_that_runs_longer_than_its_lease_is_not_resumed() {
    let shop = Shop::new();
    let (go_on, started) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, begun) = (Arc::clone(&go_on), Arc::clone(&started));
    let running = tokio::spawn(shop.test.run(checkout(&ORDER).run(|| async move {
        begun.notify_one();
        wait.notified().await;
        Ok(1)
    })));
    started.notified().await;
    let record = shop.store().load(&id()).await.unwrap().unwrap().record;
    shop.test.clock().advance(LEASE / 2);
    let renew = idempotent_core::store::Renew::new(record_id(), &record, LEASE * 10);
    shop.store().renew(&renew).await.unwrap();
    shop.test.clock().advance(LEASE * 2);
    assert_eq!(due(&shop).await, 0);
    go_on.notify_one();
    assert_eq!(running.await.unwrap().unwrap(), 1);
}

fn record_id() -> &'static RecordId {
    static ID: std::sync::OnceLock<RecordId> = std::sync::OnceLock::new();
    ID.get_or_init(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_a_client_start_one_body() {
    for _ in 0..20 {
        let shop = Shop::new();
        die_in_the_body(&shop).await;
        let body = |shop: Shop| async move {
            shop.ledger.note("body");
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(1)
        };
        let workers =
            [recovery(&shop, body).start().unwrap(), recovery(&shop, body).start().unwrap()];
        let client = shop.test.run(checkout(&ORDER).run(|| body(shop.clone()))).await;
        assert!(client.is_ok() || client.unwrap_err().kind() == ErrorKind::InProgress);
        until(&shop, State::Completed).await;
        for worker in workers {
            stop(worker).await;
        }
        assert_eq!(shop.ledger.count("body"), 1);
    }
}

#[tokio::test]
async fn a_workers_closure_with_another_key_runs_nothing() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let ledger = shop.ledger.clone();
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let recovery = recovery.operation("checkout", move |order: Order| {
        let (order, ledger) = (Order { id: order.id + 1, ..order }, ledger.clone());
        async move {
            let call = checkout(&order).run(|| async {
                ledger.note("charge");
                Ok(1)
            });
            assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Misconfigured);
        }
    });
    let recovery = recovery.start().unwrap();
    until(&shop, State::Indeterminate).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 0);
    let another = RecordId::of("checkout", None, &(ORDER.id + 1)).unwrap();
    assert!(shop.store().load(&another).await.unwrap().is_none());
    let seen = shop.test.engine().inspect(&id()).await.unwrap().unwrap();
    assert!(seen.last_error().unwrap().contains("another call"), "{:?}", seen.last_error());
}

#[tokio::test]
async fn a_closure_that_makes_no_call_is_tried_again() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let (counted, here) = (Arc::clone(&tries), shop.clone());
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let recovery = recovery.operation("checkout", move |order: Order| {
        let (tries, shop) = (Arc::clone(&counted), here.clone());
        async move {
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                return;
            }
            checkout(&order).run(|| async { shop.step("charge").await }).await.unwrap();
        }
    });
    let recovery = recovery.start().unwrap();
    while tries.load(Ordering::Relaxed) < 2 {
        shop.let_lease_lapse();
        tokio::time::sleep(POLL).await;
    }
    until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_declined_checkout_is_not_resumed_by_recovery() {
    let shop = Shop::new();
    let declined = shop.test.run(checkout(&ORDER).run(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    }));
    assert_eq!(declined.await.unwrap_err().kind(), ErrorKind::MissingKey);
    until(&shop, State::Suspended).await;
    assert_eq!(shop.store().due_calls().unwrap().due_in(&id()).await.unwrap(), None);
    let body = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, body).start().unwrap();
    look_around(&shop).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 0);
    // Its caller's retry resumes it.
    let retried = shop.test.run(
        checkout(&ORDER)
            .run(|| async { Ok(shop.step("hold").await? + shop.step("charge").await?) }),
    );
    assert_eq!(retried.await.unwrap(), 2);
    assert_eq!(shop.ledger.count("hold"), 1);
}

#[tokio::test]
async fn an_error_of_a_first_run_that_recorded_nothing_leaves_the_key_vacant() {
    let shop = Shop::new();
    let refused = shop.test.run(checkout(&ORDER).run(|| async { Err(failure().await) }));
    refused.await.unwrap_err();
    while shop.store().load(&id()).await.unwrap().is_some() {
        tokio::time::sleep(POLL).await;
    }
    // Even with another input.
    let other = Order { cents: 5, ..ORDER };
    let retried = shop.test.run(checkout(&other).run(|| async { Ok(2) }));
    assert_eq!(retried.await.unwrap(), 2);
}

#[tokio::test]
async fn an_error_after_an_interrupted_run_leaves_the_call_to_its_caller() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let refused = shop.test.run(checkout(&ORDER).run(|| async { Err(failure().await) }));
    refused.await.unwrap_err();
    until(&shop, State::Suspended).await;
    look_around(&shop).await;
    assert_eq!(due(&shop).await, 0);
    let other = Order { cents: 5, ..ORDER };
    let other = shop.test.run(checkout(&other).run(|| async { Ok(2) })).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::FingerprintMismatch);
}

#[tokio::test]
async fn a_resuming_reservation_whose_answer_was_lost_leaves_the_input_resumable() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    shop.store().inject(StoreMethod::Resume, When::Nth(1), Fault::LoseAnswer);
    let lost = shop.test.run(checkout(&ORDER).run(|| async { Ok(1) })).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Store);
    until(&shop, State::Suspended).await;
    let body = |shop: Shop| async move { shop.step("charge").await };
    let recovery = recovery(&shop, body).start().unwrap();
    shop.let_lease_lapse();
    until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_call_without_fingerprint_does_not_resume_one_with_an_input() {
    let shop = Shop::new();
    die_in_the_body(&shop).await;
    let plain = Operation::new("checkout").key(&ORDER.id).returning::<Result<u32, Error>>();
    let refused = shop.test.run(plain.run(|| async { Ok(1) })).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::FingerprintMismatch);
}

#[tokio::test]
async fn a_body_that_asks_to_be_suspended_is_resumed_after_a_pause() {
    let shop = Shop::new();
    let is_up = Arc::new(AtomicBool::new(false));
    let run = {
        let is_up = Arc::clone(&is_up);
        move |order: &Order, shop: Shop| {
            let (call, is_up) = (checkout(order).on_error(|_| Disposition::Suspend), is_up.clone());
            call.run(move || async move {
                shop.step("hold").await?;
                if !is_up.load(Ordering::Relaxed) {
                    return Err(failure().await);
                }
                shop.step("charge").await
            })
        }
    };
    shop.test.run(run(&ORDER, shop.clone())).await.unwrap_err();
    until(&shop, State::Suspended).await;
    assert!(shop.store().due_calls().unwrap().due_in(&id()).await.unwrap().is_some());
    is_up.store(true, Ordering::Relaxed);
    let here = shop.clone();
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let recovery = recovery.operation("checkout", move |order: Order| run(&order, here.clone()));
    let recovery = recovery.start().unwrap();
    shop.let_lease_lapse();
    until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("charge")), (1, 1));
}

#[tokio::test]
async fn a_plain_call_that_asks_to_be_suspended_leaves_its_key_vacant() {
    let shop = Shop::new();
    let call = Operation::new("checkout").key(&ORDER.id).returning::<Result<u32, Error>>();
    let call = call.on_error(|_| Disposition::Suspend).run(|| async { Err(failure().await) });
    shop.test.run(call).await.unwrap_err();
    while shop.store().load(&id()).await.unwrap().is_some() {
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_dropped_call_is_resumed_once_its_lease_is_over() {
    let shop = Shop::new();
    let call = shop.test.run(checkout(&ORDER).run(|| async {
        shop.step("hold").await?;
        std::future::pending().await
    }));
    tokio::time::timeout(Duration::from_millis(200), call).await.unwrap_err();
    while shop.store().answered(StoreMethod::Suspend) == 0 {
        tokio::time::sleep(POLL).await;
    }
    assert_eq!(due(&shop).await, 0, "its work may still be going on");
    let body =
        |shop: Shop| async move { Ok(shop.step("hold").await? + shop.step("charge").await?) };
    let recovery = recovery(&shop, body).start().unwrap();
    shop.let_lease_lapse();
    until(&shop, State::Completed).await;
    stop(recovery).await;
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("charge")), (1, 1));
}

#[tokio::test]
async fn an_operation_with_an_input_is_refused_where_nobody_would_find_it() {
    let engine = idempotent_core::Idempotency::new(NoIndex);
    let recovery = Recovery::new(&engine).operation("checkout", |_: Order| async {});
    let refused = recovery.start().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    for store in ["MemoryStore", "SqliteStore", "PostgresStore"] {
        assert!(refused.to_string().contains(store), "{refused}");
    }
    let call = Operation::new("checkout").key(&ORDER.id).resume(&ORDER).engine(&engine);
    let refused = call.returning::<Result<u32, Error>>().run(|| async { Ok(1) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let recovery = Recovery::new(&engine).start().unwrap_err();
    assert!(recovery.to_string().contains("no operation"), "{recovery}");
}

#[tokio::test]
async fn an_input_that_is_too_large_is_refused_with_the_limit() {
    let test = testing::TestEngine::new(|builder| builder.max_input_bytes(100));
    let input = "x".repeat(200);
    let call = Operation::new("checkout").key(&7).resume(&input).returning::<Result<u32, Error>>();
    let refused = test.run(call.run(|| async { Ok(1) })).await.unwrap_err();
    assert_eq!((refused.kind(), refused.limit()), (ErrorKind::Encode, Some(100)));
    let strict = Operation::new("checkout").guarantee(idempotent_core::Guarantee::AtMostOnce);
    let strict = strict.key(&7).resume(&7).returning::<Result<u32, Error>>();
    let refused = test.run(strict.run(|| async { Ok(1) })).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn a_closure_on_another_engine_runs_nothing() {
    let (shop, other) = (Shop::new(), testing::engine().engine());
    die_in_the_body(&shop).await;
    let ledger = shop.ledger.clone();
    let recovery = Recovery::new(&shop.test.engine()).poll_every(POLL);
    let recovery = recovery.operation("checkout", move |order: Order| {
        let (other, ledger) = (other.clone(), ledger.clone());
        async move {
            let call = Operation::new("checkout").key(&order.id).resume(&order).engine(&other);
            let call = call.returning::<Result<u32, Error>>().run(|| async {
                ledger.note("charge");
                Ok(1)
            });
            assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Misconfigured);
        }
    });
    let recovery = recovery.start().unwrap();
    until(&shop, State::Indeterminate).await;
    stop(recovery).await;
    assert_eq!(shop.ledger.count("charge"), 0);
}
