use std::pin::pin;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::*;
use crate::connector::Connector;

/// Class and method of `basic.cancel`.
const CANCEL: (u16, u16) = (60, 30);

/// What a broker answers; `None` if it answers nothing.
fn answer(method: (u16, u16)) -> Option<Vec<u8>> {
    let table = [0; 4];
    let answered = |class: u16, method: u16, arguments: &[u8]| {
        let ids = [class.to_be_bytes(), method.to_be_bytes()].concat();
        Some([&ids, arguments].concat())
    };
    match method {
        (10, 11) => answered(10, 30, &[0, 16, 0, 2, 0, 0, 0, 0]),
        (10, 40) => answered(10, 41, &[0]),
        (10, 50) => answered(10, 51, &[]),
        (20, 10) => answered(20, 11, &table),
        CANCEL => answered(60, 31, b"\x03tag"),
        _ => None,
    }
}

fn frame(channel: u16, method: &[u8]) -> Vec<u8> {
    let length = u32::try_from(method.len()).unwrap();
    [&[1], &channel.to_be_bytes()[..], &length.to_be_bytes(), method, &[0xCE]].concat()
}

/// A broker with one connection that cancels no more consumers than it may.
async fn broker(may_cancel: Arc<Semaphore>) -> Connector {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut header = [0; 8];
        client.read_exact(&mut header).await.unwrap();
        let start =
            b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x05en_US";
        client.write_all(&frame(0, start)).await.unwrap();
        let mut head = [0; 7];
        while client.read_exact(&mut head).await.is_ok() {
            let [_, channel @ .., a, b, c, d] = head;
            let mut method = vec![0; u32::from_be_bytes([a, b, c, d]) as usize + 1];
            client.read_exact(&mut method).await.unwrap();
            let ids =
                [&method[..2], &method[2..4]].map(|id| u16::from_be_bytes(id.try_into().unwrap()));
            if (ids[0], ids[1]) == CANCEL {
                may_cancel.acquire().await.unwrap().forget();
            }
            if let Some(answer) = answer((ids[0], ids[1])) {
                let channel = u16::from_be_bytes(channel);
                client.write_all(&frame(channel, &answer)).await.unwrap();
            }
        }
    });
    Connector::to_uri(format!("amqp://{address}/%2f"))
}

/// The only one of such a broker.
async fn link(may_cancel: &Arc<Semaphore>) -> Link {
    let connector = broker(Arc::clone(may_cancel)).await;
    Link::open(connector.connect().await.unwrap()).await.unwrap()
}

/// Whether this is still waited for after one look.
async fn is_pending(waiting: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    let mut waiting = waiting;
    std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_pause_waits_for_a_consumer_that_another_one_is_cancelling() {
    let may_cancel = Arc::new(Semaphore::new(0));
    let link = link(&may_cancel).await;
    link.consumes("tag".into());
    let (mut first, mut second) = (pin!(link.pause()), pin!(link.pause()));
    assert!(is_pending(first.as_mut()).await);
    assert!(!link.is_consuming(&"tag".into()), "the first one is at it");
    assert!(is_pending(second.as_mut()).await, "what is given back would come here again");
    may_cancel.add_permits(1);
    first.await;
    second.await;
}

#[tokio::test]
async fn a_pause_cancels_a_consumer_that_was_about_to_begin() {
    let link = link(&Arc::new(Semaphore::new(1))).await;
    let beginning = link.changing().await;
    let mut pausing = pin!(link.pause());
    assert!(is_pending(pausing.as_mut()).await);
    link.consumes("tag".into());
    drop(beginning);
    pausing.await;
    assert!(!link.is_consuming(&"tag".into()));
}
