//! draft-ietf-httpapi-idempotency-key-header-07, sentence by sentence: each test has the name of one
//! that says MUST, SHOULD or RECOMMENDED to a client.

use uuid::Uuid;

use crate::recorded_pauses::{posted, quick};
use crate::server::{Server, status};

#[tokio::test]
async fn section_2_1_its_value_must_be_a_string_and_stand_there_once() {
    let server = Server::script([status(503), status(201)]).await;
    quick().post(server.url("/")).send().await.unwrap();
    for request in server.received() {
        let lines = request.all("idempotency-key");
        assert!(matches!(&lines[..], [line] if line.starts_with('"') && line.ends_with('"')));
    }
}

#[tokio::test]
async fn section_2_2_it_is_recommended_that_a_uuid_be_used() {
    let server = Server::script([status(201)]).await;
    quick().post(server.url("/")).send().await.unwrap();
    let keys = server.keys();
    let uuid: Uuid = keys[0].trim_matches('"').parse().unwrap();
    assert_eq!(uuid.get_version_num(), 4);
}

#[tokio::test]
async fn section_2_5_for_each_request_a_client_should_send_a_unique_key() {
    let server = Server::script([status(201)]).await;
    let client = quick();
    for _ in 0..2 {
        client.post(server.url("/")).body("the same").send().await.unwrap();
    }
    let keys = server.keys();
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn section_2_7_clients_must_correct_the_requests_before_a_retry_except_after_409() {
    for final_one in [400, 422] {
        assert_eq!(posted(status(final_one)).await, (1, final_one));
    }
    assert_eq!(posted(status(409)).await, (2, 201));
}
