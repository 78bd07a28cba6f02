//! The route, bare and under each layer.

use std::error::Error;

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::{IdempotencyLayer, RequestFingerprint};
use serde::{Deserialize, Serialize};
use tower_layer::Identity;

/// A side of the comparison.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) router: Router,
}

/// The bare route first, which the others are compared with.
pub(crate) fn sides() -> Result<[Side; 5], Box<dyn Error>> {
    let ours = || {
        let engine = Idempotency::new(MemoryStore::new());
        IdempotencyLayer::at_least_once(engine, "orders").scope(account)
    };
    let raw = ours().fingerprint(RequestFingerprint::raw());
    let store = peer::memory::MemoryStore::builder().try_build()?;
    let peer = peer::middleware::IdempotencyLayer::new(store).scope(account);
    Ok([
        Side { name: "bare route", router: route() },
        // What axum itself takes for any layer.
        Side { name: "an empty layer", router: route().layer(Identity::new()) },
        Side { name: "idempotent-core", router: route().layer(ours()) },
        // As the other crate does: the same JSON written in another way is another request.
        Side { name: "… body by its bytes", router: route().layer(raw) },
        Side { name: "idempotent 2.0", router: route().layer(peer) },
    ])
}

fn route() -> Router {
    Router::new().route("/orders", post(order))
}

/// Stands for what authentication found.
fn account(parts: &Parts) -> Option<String> {
    let account = parts.headers.get("x-account")?;
    account.to_str().ok().map(str::to_owned)
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    order: u64,
    card: String,
    amount: u64,
    currency: String,
    street: String,
    city: String,
    note: String,
}

#[derive(Debug, Serialize)]
struct Receipt {
    status: &'static str,
    #[serde(flatten)]
    order: Order,
}

/// Does nothing but read and write, so that nothing hides what a layer costs.
async fn order(Json(order): Json<Order>) -> impl IntoResponse {
    (StatusCode::CREATED, Json(Receipt { status: "captured", order }))
}
