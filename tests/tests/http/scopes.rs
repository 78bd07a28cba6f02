//! To whom a key belongs: authentication outside, the layer inside.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::{Log, engine};
use tower::{Layer, ServiceExt, service_fn};

use super::{Server, Shop, post};
use crate::raw_client::Wire;

#[derive(Clone)]
struct Account(String);

/// The account of a token `account.whatever`; a token without one is valid, and nobody's.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = token.map(str::to_owned) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    if let Some((account, _)) = token.trim_start_matches("Bearer ").split_once('.') {
        request.extensions_mut().insert(Account(account.to_owned()));
    }
    next.run(request).await
}

async fn serve(shop: &Shop) -> Server {
    let layer = IdempotencyLayer::at_least_once(engine(), "shop")
        .scope(|parts: &Parts| parts.extensions.get::<Account>().map(|account| account.0.clone()));
    Server::start(shop.router().layer(layer).layer(from_fn(authenticate))).await
}

fn request(token: &str) -> Wire {
    post("/orders").key("k").line(format!("Authorization: Bearer {token}"))
}

#[tokio::test]
async fn two_tenants_with_one_key_have_two_orders() {
    let shop = Shop::new();
    let server = serve(&shop).await;
    assert_eq!(server.send(&request("alice.1")).await.text(), "order 1");
    assert_eq!(server.send(&request("bob.1")).await.text(), "order 2");
    assert_eq!(shop.runs.count(), 2);
}

#[tokio::test]
async fn a_scope_may_be_borrowed_from_the_request() {
    let shop = Shop::new();
    let layer = IdempotencyLayer::at_least_once(engine(), "shop")
        .scope_ref(|parts| parts.headers.get("x-tenant").and_then(|tenant| tenant.to_str().ok()));
    let server = Server::start(shop.router().layer(layer)).await;
    let request = |tenant| post("/orders").key("k").line(format!("X-Tenant: {tenant}"));
    for (tenant, order) in [("alice", "order 1"), ("bob", "order 2"), ("alice", "order 1")] {
        assert_eq!(server.send(&request(tenant)).await.text(), order);
    }
    let nobody = server.send(&post("/orders").key("k")).await;
    assert_eq!(nobody.problem().as_deref(), Some("missing_scope"));
}

#[tokio::test]
async fn another_tenants_payload_is_no_mismatch() {
    let shop = Shop::new();
    let server = serve(&shop).await;
    server.send(&request("alice.1").json(r#"{"amount":1}"#)).await;
    let bob = server.send(&request("bob.1").json(r#"{"amount":2}"#)).await;
    assert_eq!((bob.status, bob.text()), (201, "order 2"));
}

#[tokio::test]
async fn a_refreshed_token_of_one_principal_replays() {
    let shop = Shop::new();
    let server = serve(&shop).await;
    server.send(&request("alice.1")).await;
    let again = server.send(&request("alice.2")).await;
    assert_eq!((again.text(), again.is_replay(), shop.runs.count()), ("order 1", true, 1));
}

#[tokio::test]
async fn a_stored_response_is_not_shown_without_authentication() {
    let shop = Shop::new();
    let server = serve(&shop).await;
    server.send(&request("alice.1")).await;
    let stranger = server.send(&post("/orders").key("k")).await;
    assert_eq!((stranger.status, stranger.body.len()), (401, 0));
}

#[tokio::test]
async fn a_request_of_nobody_is_refused_and_not_everybodys() {
    let shop = Shop::new();
    let server = serve(&shop).await;
    let reply = server.send(&request("nobody")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (400, Some("missing_scope")));
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn a_scope_that_is_none_is_warned_of_once_per_layer() {
    let (log, _guard) = Log::listen();
    let nobody = IdempotencyLayer::at_least_once(engine(), "shop.nobody")
        .scope(|parts| parts.headers.get("x-tenant").map(|tenant| tenant.as_bytes().to_vec()));
    let answer = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::from("order 1")))
    });
    for _ in 0..2 {
        let request = Request::post("/orders").header("idempotency-key", "k");
        let request = request.body(Body::empty()).unwrap();
        let refused = nobody.clone().layer(answer).oneshot(request).await.unwrap();
        assert_eq!(refused.status(), 400);
    }
    let warnings = log.events("the scope of layer `shop.nobody` was `None`");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn a_problem_says_nothing_of_the_first_request() {
    let shop = Shop::new();
    let server = serve(&shop).await;
    server.send(&request("alice.secret").json(r#"{"card":"4242"}"#)).await;
    let reply = server.send(&request("alice.secret").json(r#"{"card":"1111"}"#)).await;
    assert_eq!(reply.problem().as_deref(), Some("fingerprint_mismatch"));
    let shown = format!("{:?} {}", reply.lines, reply.text());
    for secret in ["4242", "alice", "secret", "order 1", "/orders/1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
