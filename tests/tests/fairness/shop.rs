//! The service under test: a router in this process, with tight limits, so that a short run reaches them.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use idempotent_core::IdempotencyBuilder;
use idempotent_core::engine::ScopeShare;
use idempotent_core::http::{IdempotencyLayer, LayerWithoutScope};
use tower::ServiceExt as _;

use crate::ledger::Ledger;

const MAX_INDETERMINATE: u64 = 20;
pub(crate) const MAX_IN_FLIGHT_PER_SCOPE: usize = 16;
const MAX_IN_FLIGHT: usize = 64;
const LARGE: usize = 256 * 1024;

#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) ledger: Ledger,
    router: Router,
}

impl Shop {
    /// The shop, with so many records for each tenant.
    pub(crate) fn on(engine: IdempotencyBuilder, max_records: u64) -> Self {
        let engine = engine.store_timeout(Duration::from_secs(10)).build();
        let ledger = Ledger::default();
        let lenient = Router::new()
            .route("/pay/{tenant}/{key}", post(pay))
            .route("/slow/{tenant}/{key}", post(slow))
            .route("/large/{tenant}/{key}", post(large))
            .with_state(ledger.clone())
            .layer(limited(
                IdempotencyLayer::at_least_once(engine.clone(), "lenient"),
                max_records,
            ));
        let strict = Router::new()
            .route("/strict/{tenant}/{key}", post(pay))
            .route("/fail/{tenant}/{key}", post(fail))
            .with_state(ledger.clone())
            .layer(limited(IdempotencyLayer::at_most_once(engine, "strict"), max_records));
        Self { ledger, router: lenient.merge(strict) }
    }

    pub(crate) async fn send(&self, what: &str, tenant: &str, key: &str, body: Body) -> Answer {
        let request = Request::post(format!("/{what}/{tenant}/{key}"))
            .header("x-tenant", tenant)
            .header("idempotency-key", key)
            .body(body);
        let Ok(response) = self.router.clone().oneshot(request.unwrap()).await;
        let is_replay = response.headers().contains_key("idempotency-replayed");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, is_replay, body }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) is_replay: bool,
    pub(crate) body: Bytes,
}

fn limited(layer: LayerWithoutScope, max_records: u64) -> IdempotencyLayer {
    let share = ScopeShare::new()
        .max_records(max_records)
        .max_bytes(16 * 1024 * 1024)
        .max_indeterminate(MAX_INDETERMINATE);
    layer
        .scope(|parts| {
            let tenant = parts.headers.get("x-tenant")?;
            tenant.to_str().ok().map(str::to_owned)
        })
        .wait(Duration::from_secs(5))
        .max_in_flight(MAX_IN_FLIGHT)
        .max_in_flight_per_scope(MAX_IN_FLIGHT_PER_SCOPE)
        .max_waiting(MAX_IN_FLIGHT)
        .max_waiting_per_key(8)
        .scope_share(share)
}

type Whose = Path<(String, String)>;

async fn pay(State(ledger): State<Ledger>, Path((tenant, key)): Whose) -> Response {
    ledger.note(&tenant, &key);
    tokio::time::sleep(Duration::from_millis(1)).await;
    (StatusCode::CREATED, format!("receipt of {key}")).into_response()
}

async fn slow(State(ledger): State<Ledger>, Path((tenant, key)): Whose) -> Response {
    ledger.note(&tenant, &key);
    tokio::time::sleep(Duration::from_millis(300)).await;
    StatusCode::CREATED.into_response()
}

async fn large(State(ledger): State<Ledger>, Path((tenant, key)): Whose) -> Response {
    ledger.note(&tenant, &key);
    (StatusCode::CREATED, vec![7_u8; LARGE]).into_response()
}

async fn fail(State(ledger): State<Ledger>, Path((tenant, key)): Whose) -> Response {
    ledger.note(&tenant, &key);
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
