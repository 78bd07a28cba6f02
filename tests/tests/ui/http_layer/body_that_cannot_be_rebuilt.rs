use axum::body::Body;
use axum::{Router, routing::post};
use http_body_util::BodyExt;
use idempotent_core::backends::MemoryStore;
use idempotent_core::{Idempotency, http::IdempotencyLayer};
use tower::ServiceBuilder;
use tower_http::map_request_body::MapRequestBodyLayer;

fn main() {
    let engine = Idempotency::new(MemoryStore::new());
    let layer = IdempotencyLayer::at_least_once(engine, "shop").global_scope();
    let inspecting = MapRequestBodyLayer::new(|body: Body| body.map_frame(|frame| frame));
    let stack = ServiceBuilder::new().layer(inspecting).layer(layer);
    let _: Router = Router::new().route("/orders", post(|| async { "order 1" })).layer(stack);
}
