use axum::{Router, routing::post};
use idempotent_core::backends::MemoryStore;
use idempotent_core::{Idempotency, http::IdempotencyLayer};

fn main() {
    let engine = Idempotency::new(MemoryStore::new());
    let _: Router = Router::new()
        .route("/orders", post(|| async { "order 1" }))
        .layer(IdempotencyLayer::at_least_once(engine, "shop"));
}
