//! Bounds: of a request, and of how many run.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Shop, layer, post};
use crate::raw_client::Reply;

#[tokio::test]
async fn a_request_over_the_limit_is_413_and_runs_nothing() {
    let shop = Shop::new();
    let server = shop.serve(layer().request_limit(10)).await;
    let reply = server.send(&post("/orders").key("k").body("text/plain", "01234567890")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (413, Some("request_too_large")));
    assert_eq!(shop.runs.count(), 0);
    let fits = server.send(&post("/orders").key("k").body("text/plain", "0123456789")).await;
    assert_eq!((fits.status, fits.text()), (201, "order 1"));
}

pub(crate) async fn raw(server: &super::Server, request: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    answer
}

const HEAD: &str =
    "POST /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIdempotency-Key: k\r\n";

#[tokio::test]
async fn a_request_of_unknown_length_is_counted_as_it_comes() {
    let shop = Shop::new();
    let server = shop.serve(layer().request_limit(10)).await;
    let chunks = "6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n";
    let answer = raw(&server, &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
    assert_eq!((Reply::parse(&answer).status, shop.runs.count()), (413, 0));
}

#[tokio::test]
async fn a_request_that_breaks_off_runs_nothing_and_takes_no_key() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(format!("{HEAD}Content-Length: 9\r\n\r\nhalf").as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || Reply::parse(&answer).status == 400);
    let reply = server.send(&post("/orders").key("k").body("text/plain", "half full")).await;
    assert_eq!((reply.status, reply.text()), (201, "order 1"));
}

#[tokio::test]
async fn more_than_may_be_in_flight_are_503() {
    let shop = Shop::new();
    let server = shop.serve(layer().max_in_flight(1)).await;
    let first = post("/slow").key("1").open(server.address).await;
    shop.until_runs(1).await;
    let reply = server.send(&post("/orders").key("2")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (503, Some("overloaded")));
    assert_eq!((reply.get("retry-after"), shop.runs.count()), (Some("1"), 1));
    // Those that are not guarded are not bounded.
    assert_eq!(server.send(&post("/orders")).await.status, 201);
    shop.gate.add_permits(1);
    let mut first = first;
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).status, 201);
    assert_eq!(server.send(&post("/orders").key("2")).await.status, 201);
}
