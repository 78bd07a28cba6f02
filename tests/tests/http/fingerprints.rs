//! The same key with another request.

use axum::Router;
use idempotent_core::http::RequestFingerprint;

use super::{Server, Shop, layer, post};
use crate::raw_client::{Wire, method};

/// What the second request of one key gets after the first one.
async fn second(server: &Server, first: Wire, second: Wire) -> u16 {
    let first = server.send(&first.key("k")).await;
    assert_eq!(first.status, 201);
    let second = server.send(&second.key("k")).await;
    match second.status {
        201 => assert!(second.is_replay()),
        _ => {
            assert_eq!(second.problem().as_deref(), Some("fingerprint_mismatch"));
            assert!(second.text().contains("another method, host, path"), "{}", second.text());
        }
    }
    second.status
}

fn json(body: &str) -> Wire {
    post("/orders").json(body)
}

#[tokio::test]
async fn another_request_with_the_same_key_is_422() {
    for (why, one, other) in [
        ("body", json(r#"{"amount":1}"#), json(r#"{"amount":2}"#)),
        ("path", post("/orders"), post("/others")),
        ("query", post("/orders?a=1"), post("/orders?a=2")),
        ("order of one name", post("/orders?a=1&a=2"), post("/orders?a=2&a=1")),
        ("method", post("/orders"), method("PATCH", "/orders")),
        ("type", post("/orders").body("text/plain", "1"), post("/orders").body("text/html", "1")),
        ("name twice", json(r#"{"a":1,"a":2}"#), json(r#"{"a":2}"#)),
        ("other name twice", json(r#"{"a":1,"a":2}"#), json(r#"{"a":2,"a":1}"#)),
        ("unsafe integers", json("9007199254740993"), json("9007199254740992")),
        (
            "order of one name that is written in two ways",
            post("/orders?a=2&%61=1"),
            post("/orders?%61=1&a=2"),
        ),
        (
            "parameter of a type with +json",
            post("/orders").body("application/vnd.a+json; v=1", "{}"),
            post("/orders").body("application/vnd.a+json; v=2", "{}"),
        ),
        (
            "types that are no text",
            post("/orders").line(b"Content-Type: \xe9").body_alone("x"),
            post("/orders").line(b"Content-Type: \xe8").body_alone("x"),
        ),
        (
            "method behind the method",
            post("/orders").line("X-HTTP-Method-Override: PATCH"),
            post("/orders").line("X-HTTP-Method-Override: DELETE"),
        ),
        ("host", post("http://eu.example/orders"), post("http://us.example/orders")),
        (
            "second encoding",
            post("/orders").line("Content-Encoding: gzip"),
            post("/orders").line("Content-Encoding: gzip").line("Content-Encoding: br"),
        ),
        (
            "boundary",
            post("/orders").body("multipart/form-data; boundary=a", "--a--"),
            post("/orders").body("multipart/form-data; boundary=b", "--b--"),
        ),
    ] {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        assert_eq!(second(&server, one, other).await, 422, "{why}");
        assert_eq!(shop.runs.count(), 1, "{why}");
    }
}

#[tokio::test]
async fn the_same_request_written_otherwise_replays() {
    for (why, one, other) in [
        (
            "spaces and order",
            json(r#"{"a":1,"b":[2,"é"]}"#),
            json(r#"{ "b": [2.0, "\u00e9"], "a": 1 }"#),
        ),
        ("query", post("/orders?a=1&b=2&a=3"), post("/orders?b=2&a=1&a=3")),
        ("escapes", post("/orders?%61=%2f"), post("/orders?a=%2F")),
        (
            "case of the host",
            post("http://SHOP.example/orders"),
            post("http://shop.example/orders"),
        ),
        ("target and header", post("/orders"), post("http://shop.example/orders")),
        ("charset", json("1"), post("/orders").body("application/json; charset=utf-8", "1")),
        (
            "suffix",
            post("/orders").body("application/a+json", "{}"),
            post("/orders").body("Application/A+JSON", " {}"),
        ),
    ] {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        assert_eq!(second(&server, one, other).await, 201, "{why}");
        assert_eq!(shop.runs.count(), 1, "{why}");
    }
}

#[tokio::test]
async fn an_excluded_field_does_not_count() {
    let shop = Shop::new();
    let fingerprint = RequestFingerprint::new().exclude("/meta/sent_at").exclude("nonce");
    let server = shop.serve(layer().fingerprint(fingerprint)).await;
    let one = json(r#"{"a":1,"meta":{"sent_at":1},"nonce":1}"#);
    let other = json(r#"{"a":1,"meta":{"sent_at":2}}"#);
    assert_eq!(second(&server, one, other).await, 201);
}

#[tokio::test]
async fn a_header_counts_if_it_is_named_and_the_host_unless_it_is_to_be_ignored() {
    let shop = Shop::new();
    let fingerprint = RequestFingerprint::new().any_host().header(http::header::IF_MATCH);
    let server = shop.serve(layer().fingerprint(fingerprint)).await;
    let request =
        |host, tag| post(&format!("http://{host}/orders")).line(format!("If-Match: {tag}"));
    assert_eq!(second(&server, request("eu.example", "1"), request("us.example", "1")).await, 201);
    assert_eq!(server.send(&request("eu.example", "2").key("k")).await.status, 422);
}

#[tokio::test]
async fn a_closure_says_what_of_the_body_counts() {
    let shop = Shop::new();
    let fingerprint = RequestFingerprint::from_fn(|_, body| body.first().copied());
    let server = shop.serve(layer().fingerprint(fingerprint)).await;
    assert_eq!(second(&server, json("[1]"), json("[2]")).await, 201);
    assert_eq!(server.send(&json("2").key("k")).await.status, 422);
    assert_eq!(server.send(&post("/others").json("[1]").key("k")).await.status, 422);
}

#[tokio::test]
async fn the_same_path_in_two_nests_is_two_paths() {
    let shop = Shop::new();
    let guarded = shop.router().layer(layer());
    let router = Router::new().nest("/v1", guarded.clone()).nest("/v2", guarded);
    let server = Server::start(router).await;
    assert_eq!(second(&server, post("/v1/orders"), post("/v2/orders")).await, 422);
}
