//! Bodies of requests that are slow, many or in small pieces: what they cost, and whom they keep out.

use std::time::Duration;

use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::{engine, secs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Server, Shop, layer, post};
use crate::raw_client::Reply;

/// A request whose body has begun and is not complete.
async fn upload(server: &Server, key: &str, length: usize, sent: usize) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&vec![b'x'; sent]).await.unwrap();
    socket
}

/// A layer whose keys each have a scope of their own.
fn of_many() -> IdempotencyLayer {
    IdempotencyLayer::at_least_once(engine(), "shop").scope(|parts| {
        let key = parts.headers.get("idempotency-key")?;
        key.to_str().ok().map(|key| key.trim_matches('"').to_owned())
    })
}

async fn answer(socket: &mut TcpStream) -> Reply {
    let mut answer = Vec::new();
    let _ = timeout(secs(60), socket.read_to_end(&mut answer)).await.expect("it is answered");
    Reply::parse(&answer)
}

#[tokio::test]
async fn a_request_of_nobody_is_refused_before_its_body_is_there() {
    let shop = Shop::new();
    let nobody = IdempotencyLayer::at_least_once(engine(), "shop").scope(|_| None::<u64>);
    let server = shop.serve(nobody).await;
    let reply = answer(&mut upload(&server, "k", 1000, 0).await).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (400, Some("missing_scope")));
}

#[tokio::test]
async fn stalled_uploads_without_a_place_are_refused_before_their_bodies_are_there() {
    let shop = Shop::new();
    let server = shop.serve(layer().max_in_flight(1)).await;
    let (tell, mut told) = mpsc::channel(64);
    for key in 0..64 {
        let mut socket = upload(&server, &key.to_string(), 1024 * 1024, 1000).await;
        let tell = tell.clone();
        tokio::spawn(async move { tell.send(answer(&mut socket).await).await });
    }
    // One of them has the place, and no answer as long as it sends nothing more.
    for _ in 0..63 {
        let reply = timeout(secs(20), told.recv()).await.expect("it is answered").unwrap();
        assert_eq!((reply.status, reply.problem().as_deref()), (503, Some("overloaded")));
    }
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn all_bodies_that_are_being_read_share_a_budget() {
    const LENGTH: usize = 100_000;
    let shop = Shop::new();
    let layer = of_many().request_limit(LENGTH).read_budget(LENGTH * 5 / 2);
    let server = shop.serve(layer).await;
    let mut stalled = [
        upload(&server, "1", LENGTH, LENGTH - 1).await,
        upload(&server, "2", LENGTH, LENGTH - 1).await,
    ];
    // What was sent is read at some time, and then there is too little left for a third.
    let third = || post("/orders").key("3").body("text/plain", vec![b'x'; LENGTH]);
    let refused = timeout(secs(20), async {
        loop {
            let reply = server.send(&third()).await;
            if reply.status != 201 {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let refused = refused.await.expect("the budget is used up");
    assert_eq!(
        (refused.status, refused.problem().as_deref()),
        (503, Some("read_budget_exhausted"))
    );
    // Small ones still find room, and those that have it go on.
    assert_eq!(server.send(&post("/orders").key("4").body("text/plain", "x")).await.status, 201);
    for socket in &mut stalled {
        socket.write_all(b"x").await.unwrap();
        assert_eq!(answer(socket).await.status, 201);
    }
    assert_eq!(server.send(&third()).await.status, 201);
}

#[tokio::test]
async fn the_bodies_of_one_scope_leave_room_for_those_of_others() {
    const LENGTH: usize = 100_000;
    let shop = Shop::new();
    let layer =
        of_many().request_limit(LENGTH).read_budget(LENGTH * 100).max_in_flight_per_scope(3);
    let server = shop.serve(layer).await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(upload(&server, "mallory", LENGTH, LENGTH - 1).await);
    }
    // They are being read at some time.
    let refused = timeout(secs(20), async {
        loop {
            let reply = server.send(&post("/orders").key("mallory").body("text/plain", "x")).await;
            if reply.status == 429 {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let refused = refused.await.expect("the scope has no place left");
    assert_eq!(refused.problem().as_deref(), Some("too_many_calls"));
    let other = post("/orders").key("alice").body("text/plain", vec![b'x'; LENGTH]);
    assert_eq!(server.send(&other).await.status, 201);
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_408_and_gives_its_place_back() {
    let shop = Shop::new();
    let layer = layer().max_in_flight(1).read_timeout(Duration::from_millis(50));
    let server = shop.serve(layer).await;
    let reply = answer(&mut upload(&server, "k", 1000, 10).await).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (408, Some("read_timeout")));
    let again = server.send(&post("/orders").key("k").body("text/plain", "x")).await;
    assert_eq!((again.status, shop.runs.count()), (201, 1));
}
