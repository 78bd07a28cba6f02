//! When the client stops trying, and what its caller gets then.

use std::time::{Duration, Instant};

use idempotent_core::client::{GaveUp, GaveUpReason, IdempotentRetry, RetryInfo};
use idempotent_tests::{millis, secs};

use crate::recorded_pauses::{client, skipping};
use crate::server::{Server, Step, answer, status};

fn still() -> IdempotentRetry {
    IdempotentRetry::new().first_pause(Duration::ZERO)
}

#[tokio::test]
async fn after_the_last_attempt_the_caller_gets_its_answer() {
    let script = [status(500), status(502), answer(503, &[("x-last", "yes")], "still down")];
    let server = Server::script(script).await;
    let answer = skipping(still().max_attempts(3)).0.post(server.url("/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), server.received().len()), (503, 3));
    assert_eq!(answer.headers()["x-last"], "yes");
    let info = RetryInfo::of(&answer).unwrap();
    assert_eq!(info.attempts(), 3);
    assert_eq!(info.key().unwrap(), server.keys()[0].as_str());
    assert_eq!(answer.text().await.unwrap(), "still down");
}

#[tokio::test]
async fn after_a_last_attempt_without_an_answer_the_caller_gets_why() {
    let server = Server::script([status(503), Step::Close]).await;
    let error = skipping(still().max_attempts(2)).0.post(server.url("/")).send().await.unwrap_err();
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!((gave_up.reason(), gave_up.attempts()), (GaveUpReason::Attempts, 2));
    assert_eq!(gave_up.key().unwrap(), server.keys()[0].as_str());
    assert!(!gave_up.is_timeout() && !gave_up.is_connect());
    let source = std::error::Error::source(gave_up).unwrap();
    assert!(source.downcast_ref::<reqwest_middleware::Error>().unwrap().is_request());
}

#[tokio::test]
async fn one_attempt_at_most_is_one() {
    for attempts in [0, 1] {
        let server = Server::script([status(503)]).await;
        skipping(still().max_attempts(attempts)).0.post(server.url("/")).send().await.unwrap();
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn no_pause_is_begun_that_would_end_after_the_total_time() {
    let server = Server::script([answer(503, &[("retry-after", "4")], "")]).await;
    let settings = still().max_attempts(u32::MAX).total_timeout(secs(10));
    let (client, pauses) = skipping(settings);
    let answer = client.post(server.url("/")).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(pauses.taken(), [secs(4); 2]);
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn the_defaults_try_for_a_minute_and_not_more() {
    let server = Server::script([answer(503, &[("retry-after", "7")], "")]).await;
    let (client, pauses) = skipping(IdempotentRetry::new());
    client.post(server.url("/")).send().await.unwrap();
    assert!(pauses.total() > secs(40) && pauses.total() < secs(60), "{:?}", pauses.taken());
    let (client, pauses) = skipping(IdempotentRetry::new().max_pause(millis(1)));
    let server = Server::script([status(503)]).await;
    client.post(server.url("/")).send().await.unwrap();
    assert_eq!((server.received().len(), pauses.taken().len()), (16, 15));
}

#[tokio::test]
async fn an_attempt_that_stalls_is_given_up_and_made_again() {
    let server = Server::script([Step::Stall, Step::Stall, status(201)]).await;
    // Longer than a machine stalls: the third attempt must not be given up.
    let (client, pauses) = skipping(still().attempt_timeout(secs(4)));
    let answer = client.post(server.url("/")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), pauses.taken().len()), (201, 2));
    let keys = server.keys();
    assert!(keys.iter().all(|key| *key == keys[0]) && keys.len() == 3, "{keys:?}");
}

#[tokio::test]
async fn an_attempt_that_stalls_is_cut_off_when_the_total_time_is_up() {
    let server = Server::script([Step::Stall]).await;
    let start = Instant::now();
    let client = client(still().total_timeout(millis(150)));
    let error = client.post(server.url("/")).send().await.unwrap_err();
    assert!(start.elapsed() >= millis(150) && start.elapsed() < secs(20));
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!((gave_up.reason(), gave_up.attempts()), (GaveUpReason::Time, 1));
    assert!(gave_up.is_timeout() && gave_up.elapsed() >= millis(150));
}

#[tokio::test]
async fn a_timeout_of_the_callers_own_counts_for_each_attempt() {
    let server = Server::script([Step::Stall, status(201)]).await;
    let request = skipping(still()).0.post(server.url("/")).timeout(millis(100));
    assert_eq!(request.send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_timeout_of_the_callers_own_is_told_as_one() {
    let server = Server::script([Step::Stall]).await;
    let client = skipping(still().max_attempts(2)).0;
    let error = client.post(server.url("/")).timeout(millis(50)).send().await.unwrap_err();
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!((gave_up.is_timeout(), gave_up.attempts()), (true, 2));
}

#[tokio::test]
async fn a_body_that_takes_longer_than_the_total_time_is_not_cut_off() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let server = Server::script([Step::Send(format!("{head}{}", "x".repeat(1 << 20)))]).await;
    let answer = client(still().total_timeout(secs(4))).post(server.url("/")).send().await.unwrap();
    tokio::time::sleep(millis(4100)).await;
    assert_eq!(answer.bytes().await.unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn what_is_shown_of_a_failure_holds_no_key() {
    let server = Server::script([Step::Close]).await;
    let error = skipping(still().max_attempts(2)).0.post(server.url("/")).send().await.unwrap_err();
    let key = server.keys()[0].trim_matches('"').to_owned();
    let gave_up = GaveUp::of(&error).unwrap();
    assert_eq!(gave_up.to_string().split(" in ").next(), Some("no answer after 2 attempts"));
    assert!(!format!("{error:?} {gave_up:?} {gave_up}").contains(&key));
}
