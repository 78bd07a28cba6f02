//! Stacks of layers around ours, in one `ServiceBuilder` and applied one by one: that they compile, and that
//! what they do still works. Outside in, as they are read.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use idempotent_core::http::RebuildBody;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::{Server, Shop, layer, post};

const PATIENCE: Duration = Duration::from_secs(60);

/// A layer that answers in the place of a handler when its time is up.
fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE)
}

async fn pass(request: Request, next: Next) -> Response {
    next.run(request).await
}

/// The router replays, whatever is around it.
async fn replays(router: impl FnOnce(Router) -> Router) {
    let shop = Shop::new();
    let server = Server::start(router(shop.router())).await;
    let request = post("/orders").key("k").line("accept-encoding: gzip").json("{}");
    let (first, second) = server.twice(&request).await;
    assert_eq!((first.status, second.status, shop.runs.count()), (201, 201, 1));
    assert!(!first.is_replay() && second.is_replay());
    assert_eq!(server.send(&post("/orders").json("{}")).await.status, 201, "without a key");
}

#[tokio::test]
async fn a_limit_on_the_requests_body_stands_outside() {
    replays(|router| {
        let stack = ServiceBuilder::new().layer(RequestBodyLimitLayer::new(100)).layer(layer());
        router.layer(stack)
    })
    .await;
    let shop = Shop::new();
    let stack = ServiceBuilder::new().layer(RequestBodyLimitLayer::new(10)).layer(layer());
    let server = Server::start(shop.router().layer(stack)).await;
    for request in [post("/orders").key("k"), post("/orders")] {
        let reply = server.send(&request.body("text/plain", "01234567890")).await;
        assert_eq!(reply.status, 413);
    }
    let chunked = "POST /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\nidempotency-key: k\r\n\
                   transfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n";
    let answer = super::limits::raw(&server, chunked).await;
    assert_eq!(crate::raw_client::Reply::parse(&answer).status, 413, "it counts as it comes");
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn a_limit_a_timeout_compression_cors_and_traces_stand_outside_together() {
    replays(|router| {
        let stack = ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(CompressionLayer::new())
            .layer(RequestBodyLimitLayer::new(100))
            .layer(CorsLayer::permissive())
            .layer(timeout())
            .layer(layer());
        router.layer(stack)
    })
    .await;
}

#[tokio::test]
async fn a_timeout_stands_outside_and_inside() {
    replays(|router| {
        router.layer(ServiceBuilder::new().layer(timeout()).layer(layer()).layer(timeout()))
    })
    .await;
}

#[tokio::test]
async fn a_function_as_middleware_stands_outside_and_inside() {
    replays(|router| {
        let stack = ServiceBuilder::new().layer(from_fn(pass)).layer(layer()).layer(from_fn(pass));
        router.layer(stack)
    })
    .await;
}

#[tokio::test]
async fn a_limit_stands_outside_of_ours_and_a_function_inside_of_it() {
    replays(|router| {
        let stack = ServiceBuilder::new()
            .layer(RequestBodyLimitLayer::new(100))
            .layer(layer())
            .layer(MapRequestBodyLayer::new(Body::new))
            .layer(from_fn(pass));
        router.layer(stack)
    })
    .await;
}

#[tokio::test]
async fn bodies_that_another_layer_boxes_or_chooses_are_passed_on() {
    replays(|router| {
        let boxed = MapRequestBodyLayer::new(|body: Body| body.boxed_unsync());
        router.layer(ServiceBuilder::new().layer(boxed).layer(layer()))
    })
    .await;
    replays(|router| {
        let either = MapRequestBodyLayer::new(http_body_util::Either::<Body, Body>::Right);
        router.layer(ServiceBuilder::new().layer(either).layer(layer()))
    })
    .await;
    replays(|router| {
        let limits = ServiceBuilder::new()
            .layer(RequestBodyLimitLayer::new(200))
            .layer(RequestBodyLimitLayer::new(100));
        router.layer(limits.layer(layer()))
    })
    .await;
}

/// A body of a stranger's own.
struct Audited(Full<Bytes>);

impl http_body::Body for Audited {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

impl RebuildBody for Audited {
    fn rebuild(bytes: Bytes) -> Self {
        Self(Full::new(bytes))
    }
}

#[tokio::test]
async fn a_body_of_ones_own_reaches_the_service_inside_with_all_of_its_bytes() {
    let echo = service_fn(|request: http::Request<Audited>| async {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, Infallible>(http::Response::new(Full::new(body)))
    });
    let service = layer().layer(echo);
    for replayed in [None, Some(&HeaderValue::from_static("true"))] {
        let request = http::Request::post("/").header("idempotency-key", "k");
        let request = request.body(Audited(Full::from("all of it"))).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().get("idempotency-replayed"), replayed);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "all of it");
    }
}
