//! The HTTP layer, and the `response` flag of the attribute.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use futures::FutureExt;
use idempotent_core::http::IdempotencyLayer;
use idempotent_core::{Idempotency, idempotent};
use idempotent_tests::{engine, millis, secs, settle};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

use crate::captured::Captured;

/// A request with the key `k` to a path, which says what the handler does.
fn request(path: &str) -> Request<Body> {
    Request::post(path).header("idempotency-key", "k").body(Body::empty()).unwrap()
}

async fn handler(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    tracing::info!("in the body");
    sleep(millis(600)).await;
    tracing::info!("still in the body");
    let status = match request.uri().path() {
        "/panic" => std::panic::resume_unwind(Box::new("a handler that panics")),
        "/fails" => StatusCode::INTERNAL_SERVER_ERROR,
        "/invalid" => StatusCode::UNAUTHORIZED,
        "/timeout" => StatusCode::GATEWAY_TIMEOUT,
        "/stream" => {
            let stream = [("content-type", "text/event-stream")];
            return Ok((StatusCode::OK, stream).into_response());
        }
        _ => StatusCode::CREATED,
    };
    Ok(status.into_response())
}

/// Sends it through a layer of that engine.
async fn send(engine: &Idempotency, path: &str) -> StatusCode {
    let layer = IdempotencyLayer::at_most_once(engine.clone(), "shop").scope(|_| "everybody");
    layer.layer(service_fn(handler)).oneshot(request(path)).await.unwrap().status()
}

#[tokio::test(start_paused = true)]
async fn the_handler_runs_within_the_calls_span_which_is_open_until_its_response_is_recorded() {
    let captured = Captured::start();
    let engine = engine();
    let sending = send(&engine, "/orders");
    tokio::pin!(sending);
    timeout(millis(300), &mut sending).await.unwrap_err();
    let open = captured.call();
    assert!(!open.closed && open.field("outcome").is_empty(), "{open:?}");
    assert_eq!(sending.await, StatusCode::CREATED);
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
    assert_eq!(captured.log().events("in the body").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_response_says_what_becomes_of_the_key() {
    for (path, end) in [
        ("/fails", "executed indeterminate"),
        ("/invalid", "executed released"),
        ("/timeout", "executed held"),
        ("/stream", "executed tombstone"),
    ] {
        let captured = Captured::start();
        send(&engine(), path).await;
        assert_eq!(captured.end(), end, "{path}");
        captured.assert_body_is_inside();
    }
}

#[tokio::test(start_paused = true)]
async fn replays_and_refusals_are_calls_too() {
    let captured = Captured::start();
    let engine = engine();
    send(&engine, "/orders").await;
    send(&engine, "/orders").await;
    assert_eq!(send(&engine, "/others").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(captured.ends(), ["executed kept", "replayed none", "fingerprint_mismatch none"]);
    assert!(captured.log().calls().iter().all(|call| call.closed));
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_client_goes_away_ends_its_span_when_it_ends() {
    let captured = Captured::start();
    let engine = engine();
    timeout(millis(300), send(&engine, "/orders")).await.unwrap_err();
    assert!(!captured.call().closed);
    sleep(secs(1)).await;
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
    assert_eq!(captured.log().events("in the body").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_told_from_one_that_is_dropped() {
    let captured = Captured::start();
    AssertUnwindSafe(send(&engine(), "/panic")).catch_unwind().await.unwrap_err();
    settle().await;
    assert_eq!(captured.end(), "panicked indeterminate");
}

#[idempotent(key = order, name = "order", engine = engine, response)]
async fn order(engine: &Idempotency, order: u32) -> impl IntoResponse {
    tracing::info!("in the body");
    sleep(millis(600)).await;
    (StatusCode::CREATED, format!("order {order}"))
}

#[tokio::test(start_paused = true)]
async fn a_handler_with_the_attribute_is_seen_likewise() {
    let captured = Captured::start();
    let engine = engine();
    order(&engine, 7).await;
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
    timeout(millis(300), order(&engine, 8)).await.unwrap_err();
    settle().await;
    assert_eq!(captured.ends(), ["executed kept", "dropped held"]);
}
