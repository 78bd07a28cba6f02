use http::request::Parts;
use idempotent_core::backends::MemoryStore;
use idempotent_core::{Idempotency, http::IdempotencyLayer};

#[derive(Clone)]
struct Account(f64);

fn main() {
    let engine = Idempotency::new(MemoryStore::new());
    let _ = IdempotencyLayer::at_least_once(engine, "shop")
        .scope(|parts: &Parts| parts.extensions.get::<Account>().map(|account| account.0));
}
