//! Redirects, which `reqwest` follows within an attempt.

use crate::recorded_pauses::{quick, skipping};
use crate::server::{Server, Step, answer, status};
use idempotent_core::client::IdempotentRetry;

fn to(status: u16, location: &str) -> Step {
    answer(status, &[("location", location)], "")
}

#[tokio::test]
async fn redirects_that_keep_the_method_keep_key_and_body() {
    for code in [307, 308] {
        let server = Server::script([to(code, "/moved"), status(201)]).await;
        let answer = quick().post(server.url("/")).body("19.90").send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let received = server.received();
        assert_eq!(server.keys()[0], server.keys()[1]);
        assert_eq!((received[1].method.as_str(), received[1].target.as_str()), ("POST", "/moved"));
        assert_eq!(received[1].body, "19.90");
    }
}

#[tokio::test]
async fn a_redirect_to_another_origin_keeps_the_key_and_drops_credentials() {
    for code in [307, 308] {
        let elsewhere = Server::script([status(201)]).await;
        let server = Server::script([to(code, &elsewhere.url("/"))]).await;
        let request = quick().post(server.url("/")).header("authorization", "Bearer secret");
        assert_eq!(request.send().await.unwrap().status(), 201);
        assert_eq!(server.keys(), elsewhere.keys());
        assert_eq!(server.received()[0].all("authorization").len(), 1);
        assert!(elsewhere.received()[0].all("authorization").is_empty());
    }
}

#[tokio::test]
async fn see_other_asks_for_the_answer_with_a_get_and_the_key() {
    for code in [301, 302, 303] {
        let server = Server::script([to(code, "/receipts/1"), status(200)]).await;
        quick().post(server.url("/")).body("19.90").send().await.unwrap();
        let received = server.received();
        assert_eq!((received[1].method.as_str(), received[1].body.as_str()), ("GET", ""));
        assert_eq!(received[0].key(), received[1].key());
    }
}

#[tokio::test]
async fn a_retry_starts_at_the_first_url_again_with_the_same_key() {
    let script = [to(307, "/moved"), status(503), to(307, "/moved"), status(201)];
    let server = Server::script(script).await;
    let answer = quick().post(server.url("/")).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let targets: Vec<String> =
        server.received().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/", "/moved", "/", "/moved"]);
    let keys = server.keys();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn redirects_without_end_are_not_retried() {
    let server = Server::script([to(307, "/")]).await;
    let (client, pauses) = skipping(IdempotentRetry::new());
    let error = client.post(server.url("/")).send().await.unwrap_err();
    assert!(error.is_redirect(), "{error:?}");
    assert!(pauses.taken().is_empty());
}
