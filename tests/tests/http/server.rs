//! Live servers, on free ports of this machine, that stop with their test.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::{IdempotencyLayer, LayerWithoutScope};
use idempotent_core::testing::ManualClock;
use idempotent_tests::{Runs, engine, secs, until_within};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::raw_client::{Reply, Wire};

/// A server that serves until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, serving }
    }

    pub(crate) async fn send(&self, request: &Wire) -> Reply {
        request.send(self.address).await
    }

    /// The same request twice.
    pub(crate) async fn twice(&self, request: &Wire) -> (Reply, Reply) {
        (self.send(request).await, self.send(request).await)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A layer on an engine of its own, with the defaults, one scope for all.
pub(crate) fn layer() -> IdempotencyLayer {
    IdempotencyLayer::at_least_once(engine(), "shop").scope(|_| "everybody")
}

/// A layer whose leases lapse when the clock is moved.
pub(crate) fn layer_with_clock(
    make: fn(Idempotency, &'static str) -> LayerWithoutScope,
) -> (IdempotencyLayer, ManualClock) {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    (make(Idempotency::new(store), "shop").scope(|_| "everybody"), clock)
}

/// A shop whose handlers count their runs.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) runs: Runs,
    /// A handler of `/slow` passes with a permit of it.
    pub(crate) gate: Arc<Semaphore>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { runs: Runs::new(), gate: Arc::new(Semaphore::new(0)) }
    }

    /// The shop's router, not yet guarded.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/orders", any(order))
            .route("/others", any(order))
            .route("/slow", post(slow))
            .route("/status/{code}", post(status))
            .route("/panic", post(panic))
            .with_state(self.clone())
    }

    /// The shop behind a layer.
    pub(crate) async fn serve(&self, layer: IdempotencyLayer) -> Server {
        Server::start(self.router().layer(layer)).await
    }

    /// Waits until so many handlers have begun.
    pub(crate) async fn until_runs(&self, runs: usize) {
        until_within(secs(20), async || self.runs.count() >= runs).await;
    }
}

async fn order(State(shop): State<Shop>) -> Response {
    let run = shop.runs.note();
    let headers = [("location", format!("/orders/{run}")), ("etag", format!("\"{run}\""))];
    (StatusCode::CREATED, headers, format!("order {run}")).into_response()
}

async fn slow(State(shop): State<Shop>) -> Response {
    let run = shop.runs.note();
    shop.gate.acquire().await.unwrap().forget();
    (StatusCode::CREATED, format!("order {run}")).into_response()
}

async fn status(State(shop): State<Shop>, Path(code): Path<u16>) -> Response {
    let run = shop.runs.note();
    (StatusCode::from_u16(code).unwrap(), format!("run {run}")).into_response()
}

async fn panic(State(shop): State<Shop>, _request: Request) -> Response {
    shop.runs.note();
    std::panic::resume_unwind(Box::new("a handler that panics"))
}
