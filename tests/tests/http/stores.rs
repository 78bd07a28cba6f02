//! The store goes down, before or after.

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyLayer;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};

use super::{Shop, post};

fn faulty() -> (IdempotencyLayer, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new());
    let engine = Idempotency::new(store.clone());
    (IdempotencyLayer::at_least_once(engine, "shop").scope(|_| "everybody"), store)
}

#[tokio::test]
async fn with_the_store_down_before_nothing_runs() {
    let (layer, store) = faulty();
    let shop = Shop::new();
    let server = shop.serve(layer).await;
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    let reply = server.send(&post("/orders").key("k")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (503, Some("store_unavailable")));
    assert_eq!((reply.get("retry-after"), shop.runs.count()), (Some("1"), 0));
    store.heal();
    assert_eq!(server.send(&post("/orders").key("k")).await.text(), "order 1");
}

#[tokio::test]
async fn with_the_store_down_after_the_caller_has_its_answer() {
    let (layer, store) = faulty();
    let shop = Shop::new();
    let server = shop.serve(layer).await;
    store.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    let request = post("/orders").key("k");
    let first = server.send(&request).await;
    assert_eq!((first.status, first.text()), (201, "order 1"));
    let tries = store.calls(StoreMethod::Complete);
    let meanwhile = server.send(&request).await;
    assert_eq!((meanwhile.status, shop.runs.count()), (409, 1));
    store.heal();
    store.until_called(StoreMethod::Complete, tries + 1).await;
    let mut last = server.send(&request).await;
    while last.status == 409 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        last = server.send(&request).await;
    }
    assert_eq!((last.text(), last.is_replay(), shop.runs.count()), ("order 1", true, 1));
}

#[tokio::test]
async fn what_the_store_says_of_itself_is_not_shown() {
    let (layer, store) = faulty();
    let shop = Shop::new();
    let server = shop.serve(layer).await;
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    let reply = server.send(&post("/orders").key("k")).await;
    assert!(!reply.text().contains("a fault that a test injected"), "{}", reply.text());
}

#[tokio::test]
async fn an_engine_that_fails_open_runs_the_handler() {
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).fail_open().build();
    let shop = Shop::new();
    let layer = IdempotencyLayer::at_least_once(engine, "shop").scope(|_| "everybody");
    let server = shop.serve(layer).await;
    let (first, second) = server.twice(&post("/orders").key("k")).await;
    assert_eq!((first.text(), second.text()), ("order 1", "order 2"));
}
