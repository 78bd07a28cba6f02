//! A replay is the first answer, byte for byte.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post as on_post;
use http::header::{HeaderName, HeaderValue};

use super::{Server, Shop, layer, post};
use crate::raw_client::Reply;

/// A server whose one handler gives the response that `make` makes.
async fn server_of(make: fn() -> Response) -> Server {
    Server::start(Router::new().route("/", on_post(move || async move { make() })).layer(layer()))
        .await
}

/// A first answer and its replay, which differ in nothing but the mark.
async fn replayed(make: fn() -> Response) -> Reply {
    let server = server_of(make).await;
    let (first, second) = server.twice(&post("/").key("k")).await;
    assert_eq!(first.get("idempotency-replayed"), None);
    assert!(second.is_replay());
    assert_eq!(first.without_marks(), second.clone().without_marks());
    second
}

#[tokio::test]
async fn a_created_resource_is_replayed_with_its_location_and_etag() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let (first, second) = server.twice(&post("/orders").key("k").json("{}")).await;
    assert_eq!((second.status, second.text()), (201, "order 1"));
    assert_eq!((second.get("location"), second.get("etag")), (Some("/orders/1"), Some("\"1\"")));
    assert_eq!(first.without_marks(), second.without_marks());
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn no_content_is_replayed_as_no_content() {
    let reply = replayed(|| Response::builder().status(204).body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(reply.get("content-length"), None);
}

#[tokio::test]
async fn an_empty_body_is_replayed_as_an_empty_body() {
    let reply = replayed(|| Response::new(Body::empty())).await;
    assert_eq!((reply.status, reply.get("content-length")), (200, Some("0")));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_replayed() {
    let reply = replayed(|| Response::new(Body::from((0..=255).collect::<Vec<u8>>()))).await;
    assert_eq!(reply.body, (0..=255).collect::<Vec<u8>>());
}

#[tokio::test]
async fn a_compressed_body_is_replayed_with_its_coding() {
    const GZIP: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03+I-.\x01\x00\x0c~\x7f\xd8\x04\x00\x00\x00";
    let reply = replayed(|| {
        let response = Response::builder()
            .header("content-encoding", "gzip")
            .header("vary", "accept-encoding");
        response.body(Body::from(GZIP)).unwrap()
    })
    .await;
    assert_eq!((reply.get("content-encoding"), &reply.body[..]), (Some("gzip"), GZIP));
}

#[tokio::test]
async fn repeated_header_lines_are_replayed_as_lines_and_in_order() {
    let reply = replayed(|| {
        let lines = ["</a>; rel=next", "</b>, </c>", "</a>; rel=next"];
        let mut response = Response::new(Body::from("x"));
        for line in lines {
            response.headers_mut().append("link", HeaderValue::from_static(line));
        }
        response.headers_mut().append("x-between", HeaderValue::from_static("1"));
        response
    })
    .await;
    assert_eq!(reply.all("link"), ["</a>; rel=next", "</b>, </c>", "</a>; rel=next"]);
}

#[tokio::test]
async fn what_belongs_to_one_session_connection_or_moment_is_not_replayed() {
    let server = server_of(|| {
        let lines = [
            ("set-cookie", "session=1"),
            ("set-cookie", "theme=dark"),
            ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("x-kept", "1"),
        ];
        let mut response = Response::new(Body::from("x"));
        for (name, value) in lines {
            let name = HeaderName::from_static(name);
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        response
    })
    .await;
    let (first, second) = server.twice(&post("/").key("k")).await;
    assert_eq!(first.all("set-cookie"), ["session=1", "theme=dark"]);
    assert_eq!(first.get("x-hop"), Some("1"));
    assert!(second.is_replay());
    for name in ["set-cookie", "x-hop", "keep-alive"] {
        assert_eq!(second.get(name), None, "{name}");
    }
    assert_eq!(second.get("x-kept"), Some("1"));
    assert_ne!(second.get("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_replayed_whole() {
    let reply = server_of(|| {
        let pieces = ["one ", "two ", "three"].map(Ok::<_, std::io::Error>);
        Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
    });
    let (first, second) = reply.await.twice(&post("/").key("k")).await;
    assert_eq!((first.text(), second.text()), ("one two three", "one two three"));
    assert!(second.is_replay());
}
