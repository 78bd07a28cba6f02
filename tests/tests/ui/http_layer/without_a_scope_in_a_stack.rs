use axum::{Router, routing::post};
use idempotent_core::backends::MemoryStore;
use idempotent_core::{Idempotency, http::IdempotencyLayer};
use tower::ServiceBuilder;

fn main() {
    let engine = Idempotency::new(MemoryStore::new());
    let stack = ServiceBuilder::new().layer(IdempotencyLayer::at_most_once(engine, "shop"));
    let _: Router = Router::new().route("/orders", post(|| async { "order 1" })).layer(stack);
}
