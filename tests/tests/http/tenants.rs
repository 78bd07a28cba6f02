//! What one tenant does to the others: nothing.

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::ScopeShare;
use idempotent_core::http::{IdempotencyLayer, LayerWithoutScope};
use idempotent_tests::{engine, secs, until_within};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Server, Shop, post};
use crate::raw_client::{Reply, Wire};

/// Whose the keys are is in a header, which stands in for authentication.
fn by_tenant(layer: LayerWithoutScope) -> IdempotencyLayer {
    layer.scope(|parts| {
        let tenant = parts.headers.get("x-tenant")?;
        tenant.to_str().ok().map(str::to_owned)
    })
}

fn layer() -> IdempotencyLayer {
    by_tenant(IdempotencyLayer::at_least_once(engine(), "shop"))
}

fn of(tenant: &str, target: &str, key: &str) -> Wire {
    post(target).line(format!("X-Tenant: {tenant}")).key(key)
}

fn is_refused(reply: &Reply, code: &str) {
    assert_eq!((reply.status, reply.problem().as_deref()), (429, Some(code)), "{}", reply.text());
    assert!(reply.get("retry-after").is_some());
}

async fn rest(mut socket: TcpStream) -> Reply {
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    Reply::parse(&answer)
}

/// Starts a handler and goes away.
async fn hang_up(shop: &Shop, server: &Server, request: &Wire) {
    let runs = shop.runs.count();
    let client = request.open(server.address).await;
    shop.until_runs(runs + 1).await;
    drop(client);
}

#[tokio::test]
async fn handlers_whose_clients_hung_up_count_for_their_tenant_alone() {
    let shop = Shop::new();
    let server = shop.serve(layer().max_in_flight(3).max_in_flight_per_scope(2)).await;
    hang_up(&shop, &server, &of("mallory", "/slow", "1")).await;
    hang_up(&shop, &server, &of("mallory", "/slow", "2")).await;
    is_refused(&server.send(&of("mallory", "/orders", "3")).await, "too_many_calls");
    assert_eq!(server.send(&of("alice", "/orders", "1")).await.status, 201);
    assert_eq!(shop.runs.count(), 3);
    shop.gate.add_permits(2);
    until_within(secs(20), async || {
        server.send(&of("mallory", "/orders", "4")).await.status == 201
    })
    .await;
}

#[tokio::test]
async fn a_tenant_has_by_default_a_quarter_of_what_may_run() {
    let shop = Shop::new();
    let server = shop.serve(layer().max_in_flight(4)).await;
    hang_up(&shop, &server, &of("mallory", "/slow", "1")).await;
    is_refused(&server.send(&of("mallory", "/orders", "2")).await, "too_many_calls");
    assert_eq!(server.send(&of("alice", "/orders", "1")).await.status, 201);
    shop.gate.add_permits(1);
}

#[tokio::test]
async fn those_who_wait_take_no_seat_of_those_who_run() {
    let shop = Shop::new();
    let server = shop.serve(layer().wait(secs(20)).max_in_flight(2)).await;
    let slow = of("mallory", "/slow", "1");
    let first = slow.open(server.address).await;
    shop.until_runs(1).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(slow.open(server.address).await);
    }
    // However many of the waiters have been read by now.
    for order in 0..10 {
        let reply = server.send(&of("alice", "/orders", &order.to_string())).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    shop.gate.add_permits(1);
    assert_eq!(rest(first).await.status, 201);
    for waiter in waiting {
        assert!(rest(waiter).await.is_replay());
    }
}

/// So many requests wait that one of them is refused; the others get the result.
async fn one_too_many_waits(layer: IdempotencyLayer, keys: [&'static str; 2]) {
    let shop = Shop::new();
    let server = shop.serve(layer.wait(secs(20))).await;
    let mut clients = Vec::new();
    for key in keys.iter().collect::<std::collections::BTreeSet<_>>() {
        clients.push(of("mallory", "/slow", key).open(server.address).await);
    }
    let running = clients.len();
    shop.until_runs(running).await;
    let address = server.address;
    let waiters = [keys[0], keys[1], keys[1]]
        .map(|key| tokio::spawn(async move { of("mallory", "/slow", key).send(address).await }));
    until_within(secs(20), async || waiters.iter().any(tokio::task::JoinHandle::is_finished)).await;
    // Others wait as they did, and run as they did.
    assert_eq!(server.send(&of("alice", "/orders", "1")).await.status, 201);
    shop.gate.add_permits(running);
    let mut refused = 0;
    for waiter in waiters {
        match waiter.await.unwrap() {
            reply if reply.status == 429 => {
                is_refused(&reply, "too_many_calls");
                refused += 1;
            }
            reply => assert!(reply.is_replay(), "{}", reply.text()),
        }
    }
    assert_eq!((refused, shop.runs.count()), (1, running + 1));
}

#[tokio::test]
async fn the_waiters_of_a_key_are_bounded() {
    one_too_many_waits(layer().max_waiting_per_key(2), ["1", "1"]).await;
}

#[tokio::test]
async fn the_waiters_of_a_tenant_are_bounded() {
    one_too_many_waits(layer().max_waiting_per_scope(2), ["1", "2"]).await;
}

#[tokio::test]
async fn a_tenant_that_has_used_up_its_share_is_refused_and_others_are_not() {
    let shop = Shop::new();
    let server = shop.serve(layer().scope_share(ScopeShare::new().max_records(3))).await;
    for key in ["1", "2", "3"] {
        assert_eq!(server.send(&of("mallory", "/orders", key)).await.status, 201);
    }
    is_refused(&server.send(&of("mallory", "/orders", "4")).await, "scope_full");
    // What is recorded is replayed as before.
    assert!(server.send(&of("mallory", "/orders", "1")).await.is_replay());
    for key in ["1", "2", "3"] {
        assert_eq!(server.send(&of("alice", "/orders", key)).await.status, 201);
    }
    assert_eq!(shop.runs.count(), 6);
}

#[tokio::test]
async fn by_default_a_tenant_cannot_fill_a_store() {
    let shop = Shop::new();
    let store = MemoryStore::builder().max_unfinished(40).build();
    let layer = IdempotencyLayer::at_most_once(Idempotency::new(store), "shop");
    let server = shop.serve(by_tenant(layer)).await;
    for key in 0..10 {
        let reply = server.send(&of("mallory", "/orders", &key.to_string())).await;
        assert_eq!(reply.status, 201);
    }
    for key in 10..60 {
        is_refused(&server.send(&of("mallory", "/orders", &key.to_string())).await, "scope_full");
    }
    assert_eq!(server.send(&of("alice", "/orders", "1")).await.status, 201);
}

#[tokio::test]
async fn records_held_by_server_errors_have_a_bound_of_their_own() {
    let shop = Shop::new();
    let share = ScopeShare::new().max_indeterminate(2);
    let layer = IdempotencyLayer::at_most_once(engine(), "shop");
    let server = shop.serve(by_tenant(layer).scope_share(share)).await;
    for key in ["1", "2"] {
        assert_eq!(server.send(&of("mallory", "/status/500", key)).await.status, 500);
        let again = server.send(&of("mallory", "/status/500", key)).await;
        assert_eq!(again.problem().as_deref(), Some("indeterminate"));
    }
    is_refused(&server.send(&of("mallory", "/orders", "3")).await, "scope_full");
    assert_eq!(server.send(&of("alice", "/orders", "3")).await.status, 201);
    assert_eq!(shop.runs.count(), 3);
}

#[tokio::test]
async fn another_tenants_large_results_make_no_handler_run_twice() {
    let shop = Shop::new();
    let store = MemoryStore::builder().capacity_bytes(64 * 1024).build();
    let server = shop
        .serve(by_tenant(IdempotencyLayer::at_least_once(Idempotency::new(store), "shop")))
        .await;
    let victim = of("alice", "/orders", "1");
    assert_eq!(server.send(&victim).await.text(), "order 1");
    for key in 0..200 {
        server.send(&of("mallory", "/orders", &key.to_string())).await;
    }
    let again = server.send(&victim).await;
    assert_eq!((again.text(), again.is_replay()), ("order 1", true));
    assert_eq!(shop.runs.count(), 201);
    // Nor does the one who fills the store run anything twice.
    let evicted = server.send(&of("mallory", "/orders", "0")).await;
    assert_eq!((evicted.status, evicted.problem().as_deref()), (410, Some("result_not_kept")));
    assert_eq!(shop.runs.count(), 201);
}

#[tokio::test]
async fn a_drain_waits_for_those_who_wait_and_for_handlers_without_clients() {
    let (shop, engine) = (Shop::new(), engine());
    let layer = by_tenant(IdempotencyLayer::at_least_once(engine.clone(), "shop")).wait(secs(20));
    let server = shop.serve(layer.clone()).await;
    let slow = of("alice", "/slow", "1");
    hang_up(&shop, &server, &slow).await;
    let waiter = slow.open(server.address).await;
    until_within(secs(20), async || engine.detached_bodies() == 1).await;
    let drained = tokio::spawn(async move { layer.drain().await });
    until_within(secs(20), async || {
        server.send(&of("alice", "/orders", "2")).await.problem().as_deref()
            == Some("shutting_down")
    })
    .await;
    assert!(!drained.is_finished());
    shop.gate.add_permits(1);
    drained.await.unwrap();
    assert!(matches!(rest(waiter).await.status, 201 | 503));
    assert_eq!(engine.detached_bodies(), 0);
}
