//! axum: the key as an argument of a handler, and errors as responses.

use axum::Router;
use axum::extract::State;
use axum::routing::post as on_post;
use http::header::{HeaderMap, HeaderName};
use idempotent_core::http::IdempotencyKey;
use idempotent_core::{Error, Idempotency, idempotent};
use idempotent_tests::{Runs, engine};

use super::{KEY, Server, layer, post};

#[idempotent(key = key, scope = caller, name = "orders", fingerprint = body, engine = shop.0)]
async fn charge(
    shop: (&Idempotency, &Runs),
    caller: &str,
    key: IdempotencyKey,
    body: String,
) -> Result<String, Error> {
    Ok(format!("{body} {}", shop.1.note()))
}

async fn order(
    State((engine, runs)): State<(Idempotency, Runs)>,
    headers: HeaderMap,
    key: IdempotencyKey,
    body: String,
) -> Result<String, Error> {
    charge((&engine, &runs), &caller(&headers), key, body).await
}

/// Stands for authentication.
fn caller(headers: &HeaderMap) -> String {
    let caller = headers.get("x-caller").and_then(|caller| caller.to_str().ok());
    caller.unwrap_or("anybody").to_owned()
}

#[idempotent(key = key, global_scope, name = "shared", fingerprint = body, engine = shop.0)]
async fn charge_in_one_scope(
    shop: (&Idempotency, &Runs),
    key: IdempotencyKey,
    body: String,
) -> Result<String, Error> {
    Ok(format!("{body} {}", shop.1.note()))
}

async fn shared(
    State((engine, runs)): State<(Idempotency, Runs)>,
    key: IdempotencyKey,
    body: String,
) -> Result<String, Error> {
    charge_in_one_scope((&engine, &runs), key, body).await
}

async fn shown(key: Option<IdempotencyKey>) -> String {
    key.map_or_else(|| "none".to_owned(), |key| key.as_str().to_owned())
}

async fn serve() -> Server {
    let router = Router::new()
        .route("/orders", on_post(order))
        .route("/shared", on_post(shared))
        .route("/shown", on_post(shown));
    Server::start(router.with_state((engine(), Runs::new()))).await
}

#[tokio::test]
async fn a_handler_under_the_attribute_takes_its_key_from_the_header() {
    let server = serve().await;
    let (first, second) = server.twice(&post("/orders").key("k").body("text/plain", "tea")).await;
    assert_eq!((first.text(), second.text()), ("tea 1", "tea 1"));
}

#[tokio::test]
async fn another_callers_key_is_another_key() {
    let server = serve().await;
    let request = |caller: &str| {
        post("/orders").key("1").line(format!("X-Caller: {caller}")).body("text/plain", "tea")
    };
    for (caller, answer) in [("alice", "tea 1"), ("bob", "tea 2"), ("alice", "tea 1")] {
        assert_eq!(server.send(&request(caller)).await.text(), answer);
    }
}

#[tokio::test]
async fn in_the_global_scope_a_key_that_could_be_guessed_runs_nothing() {
    let server = serve().await;
    let request = |key: &str| post("/shared").key(key).body("text/plain", "tea");
    for guessable in
        ["1", "payment-for-invoice-2026-000123", "01890a5d-ac96-7000-8000-000000000001"]
    {
        let reply = server.send(&request(guessable)).await;
        assert_eq!((reply.status, reply.problem().as_deref()), (400, Some("invalid_key")));
    }
    let (first, second) = server.twice(&request(KEY)).await;
    assert_eq!((first.text(), second.text()), ("tea 1", "tea 1"));
}

#[tokio::test]
async fn an_error_is_answered_as_a_problem() {
    let server = serve().await;
    server.send(&post("/orders").key("k").body("text/plain", "tea")).await;
    let reply = server.send(&post("/orders").key("k").body("text/plain", "coffee")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (422, Some("fingerprint_mismatch")));
    assert!(!reply.text().contains("tea"));
}

#[tokio::test]
async fn a_required_key_that_is_missing_or_none_is_400() {
    let server = serve().await;
    let missing = server.send(&post("/orders")).await;
    assert_eq!((missing.status, missing.problem().as_deref()), (400, Some("missing_key")));
    let list = server.send(&post("/orders").line("Idempotency-Key: a, b")).await;
    assert_eq!((list.status, list.problem().as_deref()), (400, Some("invalid_key")));
}

#[tokio::test]
async fn an_optional_key_may_be_missing_but_not_be_none() {
    let server = serve().await;
    assert_eq!(server.send(&post("/shown")).await.text(), "none");
    assert_eq!(server.send(&post("/shown").line("Idempotency-Key: abc")).await.text(), "abc");
    assert_eq!(server.send(&post("/shown").line("Idempotency-Key: a, b")).await.status, 400);
}

#[tokio::test]
async fn behind_a_layer_the_key_is_found_whatever_its_header_is_named() {
    let layer = layer().header(HeaderName::from_static("x-request-key"));
    let router = Router::new().route("/shown", on_post(shown)).layer(layer);
    let server = Server::start(router).await;
    assert_eq!(server.send(&post("/shown").line("X-Request-Key: abc")).await.text(), "abc");
}
