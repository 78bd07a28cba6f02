//! Connections that fail before the server acted, after it, and while it answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use idempotent_core::client::{GaveUp, GaveUpReason, IdempotentRetry};
use idempotent_tests::{millis, until};
use reqwest::Body;

use crate::recorded_pauses::{client, quick, skipping};
use crate::server::{Server, Step, answer, status};

/// A shop that takes an order once per key and answers later requests with the first receipt, in
/// front of which connections fail: `failures` says how, and the shop has its say afterwards.
struct Shop {
    server: Server,
    receipts: Arc<Mutex<HashMap<String, String>>>,
}

impl Shop {
    async fn behind(failures: Vec<Step>) -> Self {
        let receipts = Arc::<Mutex<HashMap<String, String>>>::default();
        let book = Arc::clone(&receipts);
        let server = Server::asking(move |at, request| {
            let failure = failures.get(at).cloned();
            let Some(request) = request else { return failure.unwrap_or(Step::Close) };
            let mut book = book.lock().unwrap();
            let number = book.len() + 1;
            let receipt = book.entry(request.key()).or_insert_with(|| format!("receipt {number}"));
            failure.unwrap_or_else(|| answer(201, &[], receipt))
        });
        Self { server: server.await, receipts }
    }

    /// Orders once, and says what the caller got and how many orders the shop took.
    async fn order(&self) -> (String, usize) {
        let answer = quick().post(self.server.url("/orders")).body("shoes").send().await.unwrap();
        let receipt = answer.text().await.unwrap();
        (receipt, self.receipts.lock().unwrap().len())
    }
}

const RECEIPT_1: (&str, usize) = ("receipt 1", 1);

fn told((receipt, orders): &(String, usize)) -> (&str, usize) {
    (receipt, *orders)
}

#[tokio::test]
async fn connections_that_are_lost_before_the_server_acted_cost_nothing() {
    let shop = Shop::behind(vec![Step::HangUp, Step::HangUp]).await;
    assert_eq!(told(&shop.order().await), RECEIPT_1);
    assert_eq!((shop.server.connections(), shop.server.received().len()), (3, 1));
}

#[tokio::test]
async fn connections_that_are_lost_after_the_server_acted_end_with_the_one_result() {
    let shop = Shop::behind(vec![Step::Close, Step::Close, Step::Close]).await;
    assert_eq!(told(&shop.order().await), RECEIPT_1);
    assert_eq!(shop.server.received().len(), 4);
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_head_is_asked_for_again() {
    let shop = Shop::behind(vec![Step::Send("HTTP/1.1 201 Crea".to_owned())]).await;
    assert_eq!(told(&shop.order().await), RECEIPT_1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_its_body_is_asked_for_again() {
    let half = "HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nrece";
    let shop = Shop::behind(vec![Step::Send(half.to_owned())]).await;
    assert_eq!(told(&shop.order().await), RECEIPT_1);
    assert_eq!(shop.server.received().len(), 2);
}

#[tokio::test]
async fn an_answer_longer_than_the_limit_is_handed_on_with_its_head() {
    let half = "HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\nrece";
    let server = Server::script([Step::Send(half.to_owned())]).await;
    for settings in
        [IdempotentRetry::new().max_buffered_bytes(8), IdempotentRetry::new().max_buffered_bytes(0)]
    {
        let answer = skipping(settings).0.post(server.url("/")).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        assert!(answer.text().await.is_err());
    }
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_server_that_answers_garbage_is_asked_again() {
    let shop = Shop::behind(vec![Step::Send("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned())]).await;
    assert_eq!(told(&shop.order().await), RECEIPT_1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_until_the_budget_is_used_up() {
    // Bound, so that nobody else gets it, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    for method in [reqwest::Method::POST, reqwest::Method::GET] {
        let (client, pauses) = skipping(IdempotentRetry::new().max_attempts(4));
        let error = client.request(method, &url).send().await.unwrap_err();
        let gave_up = GaveUp::of(&error).unwrap();
        assert_eq!((gave_up.attempts(), pauses.taken().len()), (4, 3));
        assert!(gave_up.is_connect());
    }
}

#[tokio::test]
async fn requests_that_cannot_be_sent_at_all_are_not_retried() {
    let (client, pauses) = skipping(IdempotentRetry::new());
    let error = client.post("gopher://127.0.0.1/").send().await.unwrap_err();
    assert!(error.is_builder(), "{error:?}");
    assert!(pauses.taken().is_empty());
}

#[tokio::test]
async fn a_body_that_is_a_stream_is_sent_once_with_a_key() {
    let source = Server::script([answer(200, &[], "streamed")]).await;
    let server = Server::script([status(503), Step::Close]).await;
    let (client, pauses) = skipping(IdempotentRetry::new());
    let stream = || async { Body::from(reqwest::get(source.url("/")).await.unwrap()) };
    let answer = client.post(server.url("/")).body(stream().await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let error = client.post(server.url("/")).body(stream().await).send().await.unwrap_err();
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!((gave_up.reason(), gave_up.attempts()), (GaveUpReason::Stream, 1));
    assert_eq!(gave_up.key().unwrap(), server.keys()[1].as_str());
    assert_eq!((server.keys().len(), pauses.taken().len()), (2, 0));
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_retries() {
    let server = Server::script([status(503)]).await;
    let settings = IdempotentRetry::new().first_pause(std::time::Duration::ZERO);
    let request = client(settings.max_attempts(u32::MAX)).post(server.url("/")).send();
    tokio::select! {
        answer = request => panic!("it ends by itself: {answer:?}"),
        () = until(async || server.connections() > 1) => {}
    }
    let sent = server.connections();
    tokio::time::sleep(millis(50)).await;
    assert!(server.connections() <= sent + 1);
}
