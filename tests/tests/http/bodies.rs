//! The handler gets the request as the client sent it.

use axum::Router;
use axum::body::Bytes;
use axum::routing::post as on_post;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Server, layer, post};
use crate::raw_client::Reply;

async fn echo(headers: HeaderMap, body: Bytes) -> (HeaderMap, Bytes) {
    let mut shown = HeaderMap::new();
    if let Some(value) = headers.get("x-sent") {
        shown.insert("x-got", value.clone());
    }
    (shown, body)
}

async fn serve() -> Server {
    Server::start(Router::new().route("/", on_post(echo)).layer(layer())).await
}

#[tokio::test]
async fn every_byte_and_header_reaches_the_handler() {
    let server = serve().await;
    let body: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
    let request = post("/").key("k").line("X-Sent: 1").body("application/octet-stream", &body);
    let (first, second) = server.twice(&request).await;
    assert_eq!((first.get("x-got"), &first.body), (Some("1"), &body));
    assert_eq!((second.is_replay(), &second.body), (true, &body));
}

#[tokio::test]
async fn a_chunked_body_reaches_the_handler_whole() {
    let server = serve().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIdempotency-Key: k\r\n";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    socket.write_all(format!("{head}{chunks}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).text(), "abcdef");
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let server = serve().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIdempotency-Key: k\r\n\
                Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"abc").await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).text(), "abc");
}
