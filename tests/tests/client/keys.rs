//! Which requests carry a key, and which one.

use std::collections::HashSet;

use idempotent_core::client::{IdempotentRetry, RetryInfo};
use reqwest::Method;
use reqwest::header::HeaderName;
use uuid::Uuid;

use crate::recorded_pauses::{client, quick};
use crate::server::{Server, status};

/// The UUID in an RFC 8941 String.
fn quoted(value: &str) -> Uuid {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or_else(|| panic!("{value} is no string")).parse().unwrap()
}

#[tokio::test]
async fn a_post_and_a_patch_carry_a_random_uuid_as_a_string() {
    let server = Server::script([status(200)]).await;
    for method in [Method::POST, Method::PATCH] {
        quick().request(method, server.url("/")).send().await.unwrap();
    }
    let keys: HashSet<Uuid> = server.keys().iter().map(|key| quoted(key)).collect();
    assert_eq!(keys.len(), 2, "each request has its own");
    assert!(keys.iter().all(|key| key.get_version_num() == 4), "{keys:?}");
}

#[tokio::test]
async fn methods_that_are_idempotent_by_themselves_carry_none() {
    let server = Server::script([status(200)]).await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        quick().request(method, server.url("/")).send().await.unwrap();
    }
    assert!(server.received().iter().all(|request| request.all("idempotency-key").is_empty()));
}

#[tokio::test]
async fn every_attempt_carries_the_same_key_and_the_same_body() {
    let server = Server::script([503, 500, 429, 201].map(status)).await;
    let answer = quick().post(server.url("/")).body("19.90").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let keys: HashSet<String> = server.keys().into_iter().collect();
    assert_eq!((keys.len(), server.received().len()), (1, 4));
    assert!(server.received().iter().all(|request| request.body == "19.90"));
    let info = RetryInfo::of(&answer).unwrap();
    assert_eq!(info.attempts(), 4);
    assert_eq!(info.key().unwrap(), keys.iter().next().unwrap());
}

#[tokio::test]
async fn the_next_request_has_another_key() {
    let server = Server::script([status(201)]).await;
    let client = quick();
    for _ in 0..2 {
        client.post(server.url("/")).send().await.unwrap();
    }
    let keys = server.keys();
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_callers_own_key_is_kept_as_it_is_and_retried_with() {
    let server = Server::script([503, 201].map(status)).await;
    for method in [Method::POST, Method::TRACE] {
        let request = quick().request(method, server.url("/"));
        request.header("Idempotency-Key", "my own").send().await.unwrap();
    }
    assert_eq!(server.keys(), ["my own"; 3]);
}

#[tokio::test]
async fn a_request_with_a_key_of_its_own_is_retried_whatever_its_method() {
    let server = Server::script([503, 201].map(status)).await;
    let request = quick().request(Method::from_bytes(b"BREW").unwrap(), server.url("/"));
    let answer = request.header("Idempotency-Key", "pot 7").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), server.keys().len()), (201, 2));
}

#[tokio::test]
async fn header_and_form_can_be_set() {
    let server = Server::script([status(201)]).await;
    let header = HeaderName::from_static("x-request-key");
    let settings = IdempotentRetry::new().header(header).bare_keys();
    client(settings).post(server.url("/")).send().await.unwrap();
    let request = &server.received()[0];
    assert!(request.all("idempotency-key").is_empty());
    let key: Uuid = request.all("x-request-key")[0].parse().unwrap();
    assert_eq!(key.get_version_num(), 4);
}

#[tokio::test]
async fn the_methods_that_get_a_key_can_be_set() {
    let server = Server::script([status(201)]).await;
    let client = client(IdempotentRetry::new().key_methods([Method::PUT]));
    client.put(server.url("/")).send().await.unwrap();
    client.post(server.url("/")).send().await.unwrap();
    let counts =
        server.received().iter().map(|r| r.all("idempotency-key").len()).collect::<Vec<_>>();
    assert_eq!(counts, [1, 0]);
}
