//! A shop whose calls can be watched: metrics for Prometheus, and traces of OpenTelemetry in which a replay is linked
//! to the span that ran.
//!
//! Run it with `cargo run -p examples-observability --bin observability`. It sends itself some requests, prints what is
//! seen of them, checks it, and exits; with `-- serve` it goes on to serve on 127.0.0.1:3000 until Ctrl-C, with its
//! metrics under `/metrics`.

mod exported;
mod opentelemetry_traces;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyLayer;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower::ServiceExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use exported::{Exported, attribute};
use opentelemetry_traces::OpenTelemetryTraces;

/// The order of the path decides how it ends.
async fn order(request: Request<Body>) -> StatusCode {
    tracing::info!("an order is placed");
    match request.uri().path() {
        // The warehouse did not answer: nobody knows.
        "/orders/lost" => StatusCode::BAD_GATEWAY,
        "/orders/forbidden" => StatusCode::FORBIDDEN,
        _ => StatusCode::CREATED,
    }
}

/// What Prometheus reads.
async fn metrics((engine, recorder): (Idempotency, PrometheusHandle)) -> String {
    // One process of a fleet is enough, and once a minute: it scans the store.
    if let Err(error) = engine.count_indeterminate().await {
        tracing::warn!(%error, "indeterminate records could not be counted");
    }
    recorder.render()
}

fn router(engine: &Idempotency, recorder: &PrometheusHandle) -> Router {
    let layer = IdempotencyLayer::at_most_once(engine.clone(), "shop.order").scope(|_| "alice");
    let seen = (engine.clone(), recorder.clone());
    Router::new()
        .route("/orders/{what}", post(order))
        .layer(layer)
        .route("/metrics", get(|State(seen)| metrics(seen)).with_state(seen))
}

/// Sends one request, and says what came back.
async fn send(router: &Router, what: &str, key: &str) -> Result<StatusCode, Box<dyn Error>> {
    let request = Request::post(format!("/orders/{what}")).header("idempotency-key", key);
    let response = router.clone().oneshot(request.body(Body::empty())?).await?;
    let replayed = response.headers().contains_key("idempotency-replayed");
    println!("  {what:<10} {}{}", response.status(), if replayed { " (replayed)" } else { "" });
    Ok(response.status())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Before the engine, which says once which version runs.
    let buckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
    let recorder = PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?;
    let exported = Exported::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exported.clone()).build();
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    tracing_subscriber::registry().with(traces).init();

    let engine =
        Idempotency::builder(MemoryStore::new()).trace_context(OpenTelemetryTraces).build();
    let router = router(&engine, &recorder);
    println!("requests");
    for (what, key) in
        [("tea", "1"), ("tea", "1"), ("lost", "2"), ("lost", "2"), ("forbidden", "3")]
    {
        send(&router, what, key).await?;
    }

    println!("\nspans");
    let calls = exported.calls();
    for call in &calls {
        let [outcome, disposition] = ["outcome", "disposition"].map(|it| attribute(call, it));
        let linked = call.links.iter().map(|link| link.span_context.span_id().to_string());
        let linked = linked.collect::<Vec<_>>().join(", ");
        let id = call.span_context.span_id();
        println!("  {id} {outcome:<13} {disposition:<13} {linked}");
    }
    let (ran, replay) = (&calls[0], &calls[1]);
    assert_eq!(replay.links.len(), 1, "the replay is linked");
    let link = &replay.links[0].span_context;
    assert_eq!(link.trace_id(), ran.span_context.trace_id(), "to the trace that ran");
    assert_eq!(link.span_id(), ran.span_context.span_id(), "and to its very span");

    println!("\nmetrics");
    let request = Request::get("/metrics").body(Body::empty())?;
    let body = router.clone().oneshot(request).await?.into_body().collect().await?.to_bytes();
    let text = String::from_utf8(body.to_vec())?;
    for line in text.lines().filter(|line| line.starts_with("idempotent_calls_total")) {
        println!("  {line}");
    }
    let found = |line: &str| text.lines().any(|it| it == line);
    assert!(found("idempotent_indeterminate_records{operation=\"shop.order\"} 1"), "{text}");

    if std::env::args().any(|argument| argument == "serve") {
        let address = SocketAddr::from(([127, 0, 0, 1], 3000));
        println!("\nserving on {address}, until Ctrl-C");
        let listener = tokio::net::TcpListener::bind(address).await?;
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        });
        serving.await?;
    }
    // Handlers whose clients are gone may still run.
    let _ = tokio::time::timeout(Duration::from_secs(30), engine.drain()).await;
    provider.shutdown()?;
    Ok(())
}
