//! Responses that are delivered whole and leave a tombstone.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post as on_post;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, unfold};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::Runs;
use tokio::io::AsyncReadExt;
use tower::{Layer, ServiceExt, service_fn};

use super::{Server, layer, post};
use crate::raw_client::Reply;

/// A server with one handler, and how often that ran.
async fn serve(layer: IdempotencyLayer, make: fn() -> Response) -> (Server, Runs) {
    let runs = Runs::new();
    let counted = runs.clone();
    let handler = move || {
        counted.note();
        async move { make() }
    };
    let router = Router::new().route("/", on_post(handler)).layer(layer);
    (Server::start(router).await, runs)
}

/// The first answer, after making sure that the second is a tombstone's.
async fn tombstone(layer: IdempotencyLayer, make: fn() -> Response) -> Reply {
    let (server, runs) = serve(layer, make).await;
    let (first, second) = server.twice(&post("/").key("k")).await;
    assert_eq!((second.status, second.problem().as_deref()), (410, Some("result_not_kept")));
    assert_eq!(runs.count(), 1);
    assert!(first.get("idempotency-not-kept").is_some(), "{:?}", first.lines);
    assert_eq!(second.get("idempotency-not-kept"), None);
    first
}

#[tokio::test]
async fn the_first_answer_says_that_it_is_not_kept_and_the_log_why() {
    let (log, _listening) = idempotent_tests::Log::listen();
    let large = || Response::new(Body::from("x".repeat(100)));
    let first = tombstone(layer().response_limit(99), large).await;
    assert_eq!(first.get("idempotency-not-kept"), Some("too-large"));
    let stream =
        tombstone(layer().stream_after(Duration::from_millis(20)), || Response::new(slow_stream()));
    assert_eq!(stream.await.get("idempotency-not-kept"), Some("stream"));
    let partial = || Response::builder().status(206).body(Body::empty()).unwrap();
    assert_eq!(tombstone(layer(), partial).await.get("idempotency-not-kept"), Some("withheld"));

    let events = log.events("a result is not kept");
    let why: Vec<_> = events.iter().map(|event| event.field("why")).collect();
    assert_eq!(why[0], "it was larger than the limit");
    assert_eq!(why[1..], ["the caller chose not to store it"; 2]);
    let (server, _) = serve(layer(), large).await;
    let (first, second) = server.twice(&post("/").key("k")).await;
    assert_eq!((first.get("idempotency-not-kept"), second.is_replay()), (None, true));
}

#[tokio::test]
async fn an_oversize_response() {
    let first =
        tombstone(layer().response_limit(99), || Response::new(Body::from("x".repeat(100)))).await;
    assert_eq!((first.status, first.body.len()), (200, 100));
    assert_eq!(first.get("content-length"), Some("100"));
}

#[tokio::test]
async fn an_oversize_response_of_unknown_length() {
    let first = tombstone(layer().response_limit(99), || {
        let pieces = stream::iter((0..10).map(|i| Ok::<_, Infallible>(i.to_string().repeat(20))));
        Response::new(Body::from_stream(pieces))
    })
    .await;
    let whole: String = (0..10).map(|i| i.to_string().repeat(20)).collect();
    assert_eq!(first.text(), whole);
}

#[tokio::test]
async fn a_response_whose_headers_are_over_the_engines_limit() {
    let first = tombstone(layer(), || {
        let response = Response::builder().header("x-long", "v".repeat(2000));
        response.body(Body::from("x".repeat(1024 * 1024 - 1000))).unwrap()
    })
    .await;
    assert_eq!(first.body.len(), 1024 * 1024 - 1000);
}

/// A stream of three pieces, each some time after the other.
fn slow_stream() -> Body {
    let pieces = unfold(0, |i| async move {
        tokio::time::sleep(Duration::from_millis(if i == 0 { 0 } else { 150 })).await;
        (i < 3).then(|| (Ok::<_, Infallible>(format!("piece {i};")), i + 1))
    });
    Body::from_stream(pieces.boxed())
}

#[tokio::test]
async fn a_streaming_response_which_begins_before_it_ends() {
    let (server, runs) =
        serve(layer().stream_after(Duration::from_millis(50)), || Response::new(slow_stream()))
            .await;
    let mut socket = post("/").key("k").open(server.address).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("piece 0;") {
        socket.read_buf(&mut seen).await.unwrap();
    }
    assert!(!String::from_utf8_lossy(&seen).contains("piece 2;"));
    let meanwhile = server.send(&post("/").key("k")).await;
    assert_eq!(meanwhile.problem().as_deref(), Some("result_not_kept"));
    socket.read_to_end(&mut seen).await.unwrap();
    assert_eq!(Reply::parse(&seen).text(), "piece 0;piece 1;piece 2;");
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn a_response_of_unknown_length_that_ends_in_time_is_kept() {
    let (server, runs) =
        serve(layer().stream_after(Duration::from_secs(20)), || Response::new(slow_stream())).await;
    let (first, second) = server.twice(&post("/").key("k")).await;
    assert_eq!((first.text(), second.text()), ("piece 0;piece 1;piece 2;", first.text()));
    assert!(second.is_replay() && runs.count() == 1);
}

#[tokio::test]
async fn server_sent_events() {
    let first = tombstone(layer(), || {
        let response = Response::builder().header("content-type", "text/event-stream");
        response.body(Body::from("data: 1\n\n")).unwrap()
    })
    .await;
    assert_eq!(first.text(), "data: 1\n\n");
}

#[tokio::test]
async fn a_part_of_something() {
    let first =
        tombstone(layer(), || Response::builder().status(206).body(Body::from("part")).unwrap())
            .await;
    assert_eq!((first.status, first.text()), (206, "part"));
}

fn no_store() -> Response {
    let response = Response::builder().header("cache-control", "private, no-store");
    response.body(Body::from("secret")).unwrap()
}

#[tokio::test]
async fn a_response_that_is_not_to_be_stored_if_the_layer_is_told_so() {
    assert_eq!(tombstone(layer().respect_no_store(), no_store).await.text(), "secret");
}

#[tokio::test]
async fn a_response_that_is_not_to_be_stored_is_kept_by_default() {
    let (server, runs) = serve(layer(), no_store).await;
    let (_, second) = server.twice(&post("/").key("k")).await;
    assert_eq!((second.text(), second.is_replay(), runs.count()), ("secret", true, 1));
}

/// Two answers of a service in process, for what no server shows as it is.
async fn in_process(method: Method, make: fn() -> Response) -> (Response, Response) {
    let layer = layer().methods([method.clone()]);
    let service =
        layer.layer(service_fn(move |_: Request<Body>| async move { Ok::<_, Infallible>(make()) }));
    let request = || {
        let request =
            Request::builder().method(method.clone()).uri("/").header("idempotency-key", "k");
        request.body(Body::empty()).unwrap()
    };
    let first = service.clone().oneshot(request()).await.unwrap().map(Body::new);
    let second = service.oneshot(request()).await.unwrap().map(Body::new);
    (first, second)
}

#[tokio::test]
async fn a_response_with_trailers() {
    let (first, second) = in_process(Method::POST, || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        let frames = [Frame::data(Bytes::from("body")), Frame::trailers(trailers)];
        let frames = stream::iter(frames.map(Ok::<_, Infallible>));
        Response::new(Body::new(StreamBody::new(frames)))
    })
    .await;
    let first = first.into_body().collect().await.unwrap();
    assert_eq!(first.trailers().unwrap()["x-sum"], "7");
    assert_eq!(first.to_bytes(), "body");
    assert_eq!(second.status(), 410);
}

#[tokio::test]
async fn a_changed_protocol_and_a_tunnel() {
    let (first, second) = in_process(Method::POST, || {
        Response::builder().status(101).header("upgrade", "echo").body(Body::empty()).unwrap()
    })
    .await;
    assert_eq!(
        (first.status(), second.status()),
        (http::StatusCode::SWITCHING_PROTOCOLS, http::StatusCode::GONE)
    );
    assert_eq!(first.headers()["upgrade"], "echo");
    let (first, second) = in_process(Method::CONNECT, || Response::new(Body::empty())).await;
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 410));
}

#[tokio::test]
async fn a_response_that_breaks_off() {
    let (first, second) = in_process(Method::POST, || {
        let pieces = [Ok("half"), Err(std::io::Error::other("the rest is gone"))];
        Response::new(Body::from_stream(stream::iter(pieces)))
    })
    .await;
    let mut body = first.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(second.status(), 410);
}
