//! Handlers under the attribute with `response`: their responses are kept, whatever their types.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post as on_post;
use axum::{Json, Router};
use idempotent_core::http::IdempotencyKey;
use idempotent_core::{Idempotency, idempotent};
use idempotent_tests::{engine, secs, until_within};

use super::{Server, Shop, post};

type App = State<(Idempotency, Shop)>;

/// No serde, and no `From<Error>`.
struct Refused(StatusCode);

impl IntoResponse for Refused {
    fn into_response(self) -> axum::response::Response {
        (self.0, [("x-refused", "yes")], "refused").into_response()
    }
}

#[idempotent(
    key = key,
    scope = "everybody",
    name = "create",
    fingerprint = body,
    engine = app.0,
    response
)]
async fn create(State(app): App, key: IdempotencyKey, body: String) -> impl IntoResponse {
    let run = app.1.runs.note();
    let headers = [("location", format!("/orders/{run}")), ("set-cookie", "a=1".to_owned())];
    (StatusCode::CREATED, headers, Json((body, run)))
}

#[idempotent(key = key, scope = "everybody", name = "status", engine = app.0, response)]
async fn status(
    State(app): App,
    Path(code): Path<u16>,
    key: IdempotencyKey,
) -> Result<impl IntoResponse, Refused> {
    app.1.runs.note();
    match StatusCode::from_u16(code) {
        Ok(code) if code.is_success() => Ok((code, "done")),
        Ok(code) => Err(Refused(code)),
        Err(_) => Err(Refused(StatusCode::NOT_FOUND)),
    }
}

#[idempotent(key = key, scope = "everybody", name = "large", engine = app.0, response)]
async fn large(State(app): App, key: IdempotencyKey) -> (StatusCode, String) {
    app.1.runs.note();
    (StatusCode::OK, "x".repeat(2 * 1024 * 1024))
}

#[idempotent(
    key = key,
    scope = "everybody",
    name = "slow",
    engine = app.0,
    detach,
    response
)]
async fn slow(State(app): App, key: IdempotencyKey) -> Result<String, Refused> {
    let run = app.1.runs.note();
    match app.1.gate.acquire().await {
        Ok(permit) => permit.forget(),
        Err(_) => return Err(Refused(StatusCode::BAD_GATEWAY)),
    }
    Ok(format!("order {run}"))
}

#[idempotent(key = key, scope = "everybody", name = "nothing", engine = app.0, response)]
async fn nothing(State(app): App, key: IdempotencyKey) {
    app.1.runs.note();
}

async fn serve() -> (Server, Shop) {
    let shop = Shop::new();
    let router = Router::new()
        .route("/create", on_post(create))
        .route("/status/{code}", on_post(status))
        .route("/large", on_post(large))
        .route("/slow", on_post(slow))
        .route("/nothing", on_post(nothing))
        .with_state((engine(), shop.clone()));
    (Server::start(router).await, shop)
}

#[tokio::test]
async fn a_response_is_replayed_byte_for_byte_and_without_its_cookie() {
    let (server, shop) = serve().await;
    let (first, second) = server.twice(&post("/create").key("k").body("text/plain", "tea")).await;
    assert_eq!((first.status, first.text()), (201, "[\"tea\",1]"));
    assert_eq!(first.get("set-cookie"), Some("a=1"));
    assert!(!first.is_replay() && second.is_replay());
    assert_eq!((second.status, &second.body), (201, &first.body));
    for name in ["location", "content-type"] {
        assert!(first.get(name).is_some() && first.get(name) == second.get(name), "{name}");
    }
    assert_eq!(second.get("set-cookie"), None);
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn another_request_with_the_key_is_a_problem() {
    let (server, shop) = serve().await;
    server.send(&post("/create").key("k").body("text/plain", "tea")).await;
    let reply = server.send(&post("/create").key("k").body("text/plain", "coffee")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (422, Some("fingerprint_mismatch")));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn the_status_of_an_error_decides_what_becomes_of_the_key() {
    let (server, shop) = serve().await;
    let (first, second) = server.twice(&post("/status/402").key("kept")).await;
    assert_eq!((first.status, second.status, second.is_replay()), (402, 402, true));
    assert_eq!((second.text(), second.get("x-refused")), ("refused", Some("yes")));
    assert_eq!(shop.runs.count(), 1);
    let (first, second) = server.twice(&post("/status/429").key("released")).await;
    assert_eq!((first.status, second.status, second.is_replay()), (429, 429, false));
    assert_eq!(shop.runs.count(), 3);
    let (first, second) = server.twice(&post("/status/504").key("held")).await;
    assert_eq!((first.status, second.status), (504, 409));
    assert_eq!(second.problem().as_deref(), Some("held"));
    assert!(second.get("retry-after").is_some());
    assert_eq!(shop.runs.count(), 4);
    let (first, second) = server.twice(&post("/status/502").key("unknown")).await;
    assert_eq!((first.status, second.status), (502, 502));
    assert_eq!(shop.runs.count(), 6);
}

#[tokio::test]
async fn what_cannot_be_kept_is_delivered_and_leaves_a_tombstone() {
    let (server, shop) = serve().await;
    let (first, second) = server.twice(&post("/large").key("large")).await;
    assert_eq!((first.status, first.body.len()), (200, 2 * 1024 * 1024));
    assert_eq!(second.problem().as_deref(), Some("result_not_kept"));
    let (first, second) = server.twice(&post("/status/206").key("part")).await;
    assert_eq!((first.status, second.problem().as_deref()), (206, Some("result_not_kept")));
    assert_eq!(shop.runs.count(), 2);
}

#[tokio::test]
async fn a_detached_handler_runs_to_its_end_when_its_client_is_gone() {
    let (server, shop) = serve().await;
    let request = post("/slow").key("k");
    let client = request.open(server.address).await;
    shop.until_runs(1).await;
    drop(client);
    assert_eq!(server.send(&request).await.status, 409);
    shop.gate.add_permits(1);
    until_within(secs(20), async || shop.gate.available_permits() == 0).await;
    let mut reply = server.send(&request).await;
    while reply.status == 409 {
        reply = server.send(&request).await;
    }
    assert_eq!((reply.status, reply.text(), reply.is_replay()), (200, "order 1", true));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn nothing_is_a_response_too() {
    let (server, shop) = serve().await;
    let (first, second) = server.twice(&post("/nothing").key("k")).await;
    assert_eq!((first.status, second.status, second.is_replay()), (200, 200, true));
    assert_eq!(shop.runs.count(), 1);
}
