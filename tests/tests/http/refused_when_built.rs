//! Layers that could only answer with 500: they are refused when the application starts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::{engine, secs};

use super::Shop;

/// What the panic says when a router is built with this layer.
fn refusal(layer: impl FnOnce() -> IdempotencyLayer) -> String {
    let built = AssertUnwindSafe(|| Shop::new().router().layer(layer()));
    let Err(panic) = catch_unwind(built) else { panic!("it should be refused") };
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn named(name: &'static str) -> IdempotencyLayer {
    IdempotencyLayer::at_least_once(engine(), name).global_scope()
}

#[test]
fn an_invalid_name_is_refused() {
    for name in ["", "my shop", "shop{1}", "shop\n"] {
        let refusal = refusal(|| named(name));
        assert!(refusal.starts_with("this idempotency layer cannot guard requests"), "{refusal}");
        assert!(refusal.contains("name"), "{refusal}");
    }
}

#[test]
fn a_ttl_that_is_none_or_below_the_lease_is_refused() {
    let below = refusal(|| named("shop").ttl(secs(5)).lease(secs(10)));
    assert!(below.contains("the ttl must not be shorter than the lease"), "{below}");
    let none = refusal(|| named("shop").ttl(Duration::ZERO));
    assert!(none.contains("the ttl must not be zero"), "{none}");
}

#[test]
fn options_may_come_in_any_order() {
    let layer = named("shop").ttl(secs(5)).lease(secs(10)).ttl(secs(20));
    let _router = Shop::new().router().layer(layer);
}

#[test]
fn at_most_once_is_refused_on_an_engine_that_fails_open() {
    let engine = || Idempotency::builder(MemoryStore::new()).fail_open().build();
    let refusal = refusal(|| IdempotencyLayer::at_most_once(engine(), "shop").global_scope());
    assert!(refusal.contains("fail_open() cannot guarantee at most once"), "{refusal}");
    let layer = IdempotencyLayer::at_least_once(engine(), "shop").global_scope();
    let _router = Shop::new().router().layer(layer);
}

#[test]
fn content_as_the_key_is_refused_in_the_global_scope() {
    let refusal = refusal(|| named("shop").key_from_content());
    assert!(refusal.contains("say whose a request is, with `scope`"), "{refusal}");
    let of_one = IdempotencyLayer::at_least_once(engine(), "shop").scope(|_| "webhooks");
    let _router = Shop::new().router().layer(of_one.key_from_content());
}

#[test]
fn a_second_layer_of_a_name_is_refused_under_strict_names() {
    let engine = Idempotency::builder(MemoryStore::new()).strict_names().build();
    let first = IdempotencyLayer::at_least_once(engine.clone(), "shop").global_scope();
    let _router = Shop::new().router().layer(first.clone()).layer(first);
    let second = || IdempotencyLayer::at_least_once(engine.clone(), "shop").global_scope();
    assert!(refusal(second).contains("has the same name"));
}
