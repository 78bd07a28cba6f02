//! The app: this test program, started again to serve.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Json, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::http::{IdempotencyLayer, RequestFingerprint};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::fault::Fault;
use crate::ledger::{Event, Ledger, Life};

/// The environment variable with an app's [`Settings`].
pub(crate) const VARIABLE: &str = "IDEMPOTENT_TESTS_APP";
/// The test that is the app, when the variable is set.
pub(crate) const TEST: &str = "app::serves_when_another_test_starts_it";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) redis: String,
    pub(crate) folder: PathBuf,
    pub(crate) at_most_once: bool,
    pub(crate) lease: Duration,
    pub(crate) wait: Option<Duration>,
}

#[derive(Clone)]
struct App {
    life: Life,
    port: u16,
    ledger: Arc<Ledger>,
}

#[tokio::test]
#[ignore = "it is an app, which the other tests start"]
async fn serves_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Settings = serde_json::from_str(&settings).unwrap();
    let life = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let app = App { life, port: settings.port, ledger: Arc::new(Ledger::open(&settings.folder)) };
    let engine = Idempotency::new(
        RedisStore::builder(settings.redis)
            .connect_with_retry(Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let layer = match settings.at_most_once {
        true => IdempotencyLayer::at_most_once(engine, "shop"),
        false => IdempotencyLayer::at_least_once(engine, "shop"),
    };
    // Apache gives each app its own address as the host.
    let fingerprint = RequestFingerprint::new().any_host();
    let mut layer = layer.scope(|_| "everybody").lease(settings.lease).fingerprint(fingerprint);
    if let Some(wait) = settings.wait {
        layer = layer.wait(wait);
    }
    let router = Router::new()
        .route("/orders/{order}", post(take))
        .route("/gated-orders/{order}", post(take_behind_gate))
        .layer(layer)
        .route_layer(from_fn_with_state(app.clone(), arrive))
        .route("/page", get(page))
        .route("/warm-ups/{gate}", get(warm_up))
        .with_state(app);
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await.unwrap();
    axum::serve(listener, router).await.unwrap();
}

async fn arrive(
    State(app): State<App>,
    Path(order): Path<u32>,
    request: Request,
    next: Next,
) -> Response {
    app.ledger.write(Event::Arrived { life: app.life, order });
    next.run(request).await
}

/// Answers with a receipt that no other effect has.
async fn take(
    State(app): State<App>,
    Path(order): Path<u32>,
    Json(fault): Json<Fault>,
) -> (StatusCode, String) {
    let fault = if app.ledger.strikes(order) { fault } else { Fault::None };
    match fault {
        Fault::KillBefore => app.die(),
        Fault::Stall(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Fault::KillAfter | Fault::None => {}
    }
    app.ledger.write(Event::Effect { life: app.life, order });
    if fault == Fault::KillAfter {
        app.die();
    }
    (StatusCode::CREATED, receipt(app.life, order))
}

/// Takes effect once the order's gate is open.
async fn take_behind_gate(State(app): State<App>, Path(order): Path<u32>) -> (StatusCode, String) {
    app.ledger.write(Event::Began { life: app.life, order });
    app.ledger.pass_gate(&format!("order-{order}")).await;
    app.ledger.write(Event::Effect { life: app.life, order });
    (StatusCode::CREATED, receipt(app.life, order))
}

/// Answers once the gate is open, so that requests which are to have connections of their own overlap.
async fn warm_up(State(app): State<App>, Path(gate): Path<String>) -> StatusCode {
    app.ledger.write(Event::WarmUp { port: app.port });
    app.ledger.pass_gate(&gate).await;
    StatusCode::NO_CONTENT
}

/// A page for scripts, whose browser asks for nothing else.
async fn page() -> Html<&'static str> {
    Html("<!doctype html><title>page</title><link rel=icon href=data:,>")
}

/// What the caller gets for an effect. A life has one effect of an order at most that is answered.
pub(crate) fn receipt(life: Life, order: u32) -> String {
    format!("order {order} of {life}")
}

impl App {
    fn die(&self) -> ! {
        self.ledger.write(Event::Killed { life: self.life });
        std::process::abort()
    }
}
