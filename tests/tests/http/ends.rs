//! Handlers that end otherwise than by answering a client that waits.

use std::convert::Infallible;
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use http::{Request, Response, StatusCode, Version};
use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::{Log, engine, secs, settle, until_within};
use tokio::io::AsyncReadExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::timeout::TimeoutLayer;

use super::{Server, Shop, layer, post};
use crate::raw_client::Reply;
use crate::server::layer_with_clock;

#[tokio::test]
async fn a_handler_runs_to_its_end_when_its_client_goes_away() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let request = post("/slow").key("k");
    let client = request.open(server.address).await;
    shop.until_runs(1).await;
    drop(client);
    // Long enough for the server to see it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.send(&request).await.status, 409);
    shop.gate.add_permits(1);
    let mut retry = server.send(&request).await;
    while retry.status == 409 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        retry = server.send(&request).await;
    }
    assert_eq!((retry.text(), retry.is_replay(), shop.runs.count()), ("order 1", true, 1));
}

#[tokio::test]
async fn a_panic_closes_the_connection_and_frees_the_key_under_at_least_once() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let request = post("/panic").key("k");
    assert_eq!(request.try_send(server.address).await, None);
    until_within(secs(20), async || request.try_send(server.address).await.is_none()).await;
    assert_eq!(shop.runs.count(), 2);
}

#[tokio::test]
async fn a_panic_under_at_most_once_is_never_run_again() {
    let (layer, clock) = layer_with_clock(IdempotencyLayer::at_most_once);
    let shop = Shop::new();
    let server = shop.serve(layer).await;
    let request = post("/panic").key("k");
    assert_eq!(request.try_send(server.address).await, None);
    // Either at once, or when the lease has lapsed.
    clock.advance(secs(30));
    assert_eq!(server.send(&request).await.status, 423);
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_timeout_inside_answers_408_and_the_key_is_held() {
    let shop = Shop::new();
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(50));
    let server = Server::start(shop.router().layer(timeout).layer(layer())).await;
    let request = post("/slow").key("k");
    let (first, second) = server.twice(&request).await;
    assert_eq!((first.status, second.status), (408, 409));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn an_error_of_the_service_inside_goes_through_and_holds_the_key() {
    let service = layer().layer(service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, BoxError>("it took too long".into())
    }));
    let request = || Request::post("/").header("idempotency-key", "k").body(Body::empty()).unwrap();
    let error = service.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(error.to_string(), "it took too long");
    assert_eq!(service.oneshot(request()).await.unwrap().status(), 409);
}

#[tokio::test]
async fn a_drain_waits_for_what_runs_and_lets_nothing_begin() {
    let (layer, shop) = (layer(), Shop::new());
    let server = shop.serve(layer.clone()).await;
    let request = post("/slow").key("k");
    let mut client = request.open(server.address).await;
    shop.until_runs(1).await;
    let drained = tokio::spawn(async move { layer.drain().await });
    settle().await;
    let refused = server.send(&post("/orders").key("2")).await;
    assert_eq!((refused.status, refused.problem().as_deref()), (503, Some("shutting_down")));
    assert!(refused.get("retry-after").is_some() && !drained.is_finished());
    shop.gate.add_permits(1);
    drained.await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!((Reply::parse(&answer).text(), shop.runs.count()), ("order 1", 1));
}

#[tokio::test]
async fn a_drain_waits_for_a_handler_whose_client_is_gone() {
    let (layer, shop) = (layer(), Shop::new());
    let server = shop.serve(layer.clone()).await;
    let client = post("/slow").key("k").open(server.address).await;
    shop.until_runs(1).await;
    drop(client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let drained = tokio::spawn(async move { layer.drain().await });
    settle().await;
    assert!(!drained.is_finished());
    shop.gate.add_permits(1);
    drained.await.unwrap();
}

#[tokio::test]
async fn a_handler_derives_the_same_keys_when_it_runs_again() {
    let bank_key = |_: Request<Body>| async {
        let call = idempotent_core::current().expect("the handler runs in a call");
        let answer = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
        Ok::<_, Infallible>(answer.body(Body::from(call.derive("bank").to_string())).unwrap())
    };
    let service = layer().layer(service_fn(bank_key));
    let derived = async |key: &str| {
        let request =
            Request::post("/").header("idempotency-key", key).body(Body::empty()).unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert!(!answer.headers().contains_key("idempotency-replayed"), "429 releases the key");
        axum::body::to_bytes(Body::new(answer.into_body()), 100).await.unwrap()
    };
    let first = derived("k").await;
    assert_eq!(first.len(), 36);
    assert_eq!(derived("k").await, first);
    assert_ne!(derived("another").await, first);
}

#[tokio::test]
async fn the_handlers_own_calls_use_the_engine_of_the_request() {
    let (outside, within) = (engine(), engine());
    let service = IdempotencyLayer::at_least_once(outside, "shop").scope(|_| "everybody").layer(
        service_fn(|_: Request<Body>| async {
            let runs = idempotent_tests::Runs::new();
            let call = idempotent_core::Operation::new("nested").key("k");
            let call = call.returning::<Result<usize, idempotent_core::Error>>();
            let answer = call.run(|| async { Ok(runs.note()) }).await.unwrap();
            Ok::<_, Infallible>(Response::new(Body::from(answer.to_string())))
        }),
    );
    let request = Request::post("/").header("idempotency-key", "k").body(Body::empty()).unwrap();
    idempotent_core::engine::with_engine(within.clone(), service.oneshot(request)).await.unwrap();
    let id = within.record_id("nested", None, "k").unwrap();
    assert!(within.inspect(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn grpc_with_a_key_or_without_one_that_is_required_is_415() {
    let shop = Shop::new();
    let server = shop.serve(layer().required()).await;
    for request in [
        post("/orders").key("k").body("application/grpc+proto", ""),
        post("/orders").key("k").body("Application/gRPC-Web", ""),
        post("/orders").body("application/grpc", ""),
        post("/orders").body("application/grpc-web-text+proto; a=b", ""),
        post("/orders").body("application/json", "").line("Content-Type: application/grpc"),
    ] {
        let reply = server.send(&request).await;
        assert_eq!((reply.status, reply.problem().as_deref()), (415, Some("grpc_not_guarded")));
    }
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn nothing_that_a_client_says_of_its_request_gets_it_past_a_layer_that_requires_a_key() {
    let shop = Shop::new();
    // A layer that passes a gRPC service passes nothing else.
    let server = shop.serve(layer().required().pass_grpc("orders")).await;
    for line in [
        "Content-Type: application/grpc",
        "Content-Type: application/grpc-web",
        "Content-Type: application/grpcx",
        "Content-Type: application/grpc-evil",
        "Content-Type: application/json; a=application/grpc",
        "Upgrade: websocket",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "X-HTTP-Method-Override: GET",
        "TE: trailers",
        "Expect: 100-continue",
    ] {
        let reply = server.send(&post("/orders").line(line)).await;
        let code = reply.problem();
        let expected = [Some("missing_key"), Some("grpc_not_guarded")];
        assert!(expected.contains(&code.as_deref()), "{line}: {} {code:?}", reply.status);
    }
    assert_eq!(shop.runs.count(), 0);
}

/// The status of an answer to a request with a key, twice, and how often the handler ran.
async fn of_grpc(layer: IdempotencyLayer, path: &str, version: Version) -> (u16, usize) {
    let runs = idempotent_tests::Runs::new();
    let counted = runs.clone();
    let service = layer.layer(service_fn(move |_: Request<Body>| {
        counted.note();
        async { Ok::<_, Infallible>(Response::new(Body::from("grpc"))) }
    }));
    let request = || {
        let request = Request::post(path).version(version).header("idempotency-key", "k");
        request.header("content-type", "application/grpc+proto").body(Body::empty()).unwrap()
    };
    service.clone().oneshot(request()).await.unwrap();
    let status = service.oneshot(request()).await.unwrap().status().as_u16();
    (status, runs.count())
}

#[tokio::test]
async fn only_the_grpc_services_that_a_layer_names_pass_and_only_as_grpc() {
    let layer = || layer().required().pass_grpc("shop.v1.Orders");
    let h2 = Version::HTTP_2;
    assert_eq!(of_grpc(layer(), "/shop.v1.Orders/Create", h2).await, (200, 2));
    assert_eq!(of_grpc(layer(), "/shop.v1.Orders/Create", Version::HTTP_11).await, (415, 0));
    for path in ["/orders", "/shop.v1.Others/Create", "/shop.v1.Orders", "/a/shop.v1.Orders/Create"]
    {
        assert_eq!(of_grpc(layer(), path, h2).await, (415, 0), "{path}");
    }
}

#[tokio::test]
async fn grpc_is_warned_of_without_a_key_too() {
    let (log, _guard) = Log::listen();
    let answer = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::from("grpc")))
    });
    let request = Request::post("/shop.Orders/Create").version(Version::HTTP_2);
    let request = request.header("content-type", "application/grpc").body(Body::from("")).unwrap();
    layer().layer(answer).oneshot(request).await.unwrap();
    assert_eq!(log.events("gRPC without a key passes unguarded").len(), 1);
}
