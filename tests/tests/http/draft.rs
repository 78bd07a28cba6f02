//! draft-ietf-httpapi-idempotency-key-header-07, sentence by sentence: each test has the name of one
//! that says MUST, SHOULD or RECOMMENDED to a server. What is not here stands in the crate's
//! `docs/idempotency_key.md`, with its reason.

use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::{engine, secs};

use super::{KEY, Shop, layer, post};
use crate::raw_client::Reply;

/// A problem with a link to relevant documentation, in both places that the draft names.
fn links_to_documentation(reply: &Reply) -> bool {
    reply.json()["type"].as_str().is_some_and(|uri| uri.starts_with("https://"))
        && reply.get("link").is_some_and(|link| link.contains("rel=\"describedby\""))
}

fn documented() -> IdempotencyLayer {
    layer().ietf().documentation("https://developer.example.com/idempotency")
}

#[tokio::test]
async fn section_1_duplicate_records_of_a_transfer_of_money_must_not_be_allowed() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let (first, second) = server.twice(&post("/orders").key(KEY).json(r#"{"amount":1}"#)).await;
    assert_eq!((first.status, second.is_replay(), shop.runs.count()), (201, true, 1));
}

#[tokio::test]
async fn section_2_1_its_value_must_be_a_string() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let (first, second) =
        server.twice(&post("/orders").line(format!("Idempotency-Key: \"{KEY}\""))).await;
    assert_eq!((first.status, second.is_replay()), (201, true));
    for other in ["(\"a\" \"b\")", "\"a\", \"b\"", "\"a", "a=1, b=2"] {
        let refused = post("/orders").line(format!("Idempotency-Key: {other}"));
        assert_eq!(server.send(&refused).await.status, 400, "{other}");
    }
}

#[tokio::test]
async fn section_2_2_the_key_must_not_be_reused_with_another_request_with_a_different_payload() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    server.send(&post("/orders").key(KEY).json(r#"{"amount":1}"#)).await;
    let reply = server.send(&post("/orders").key(KEY).json(r#"{"amount":2}"#)).await;
    assert_eq!((reply.status, shop.runs.count()), (422, 1));
}

#[tokio::test]
async fn section_2_2_uniqueness_of_the_key_must_be_defined_by_the_resource_owner() {
    let by_owner = IdempotencyLayer::at_least_once(engine(), "shop")
        .scope(|parts| parts.headers.get("x-owner").map(|owner| owner.as_bytes().to_vec()));
    let shop = Shop::new();
    let server = shop.serve(by_owner).await;
    let of = |owner: &str| post("/orders").key(KEY).line(format!("X-Owner: {owner}"));
    assert_eq!(server.send(&of("a")).await.text(), "order 1");
    assert_eq!(server.send(&of("b")).await.text(), "order 2");
    assert_eq!(server.send(&of("a")).await.text(), "order 1");
}

#[tokio::test]
async fn section_2_2_a_uuid_or_a_similar_random_identifier_is_recommended() {
    let shop = Shop::new();
    let layer = IdempotencyLayer::at_least_once(engine(), "shop").global_scope();
    let server = shop.serve(layer).await;
    for random in [KEY, "clkyoesmbgybucifusbbtdsbohtyuuwz"] {
        assert_eq!(server.send(&post("/orders").key(random)).await.status, 201);
    }
    assert_eq!(server.send(&post("/orders").key("1")).await.status, 400);
}

#[tokio::test]
async fn section_2_3_the_resource_should_define_such_expiration_policy_and_publish_it() {
    let shop = Shop::new();
    let server = shop.serve(documented().ttl(secs(7200))).await;
    let reply = server.send(&post("/orders").key(KEY)).await;
    assert!(reply.get("idempotency-policy").unwrap().starts_with("ttl=7200,"));
}

#[tokio::test]
async fn section_2_5_resources_must_publish_a_specification_that_must_include_expiration() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let reply = server.send(&post("/orders")).await;
    assert_eq!(reply.get("idempotency-policy"), Some("ttl=86400, max-length=255, required=?1"));
    assert_eq!(reply.json()["ttl_seconds"], 86400);
    assert!(links_to_documentation(&reply));
}

#[tokio::test]
async fn section_2_5_a_server_should_identify_the_key_generate_a_fingerprint_and_enforce() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let request = post("/orders").key(KEY).json(r#"{"amount":1}"#);
    let (first, second) = server.twice(&request).await;
    assert_eq!((first.text(), second.text(), shop.runs.count()), ("order 1", "order 1", 1));
}

#[tokio::test]
async fn section_2_6_the_resource_should_process_a_first_request_normally() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let guarded = server.send(&post("/orders").key(KEY)).await;
    assert_eq!((guarded.status, guarded.get("location")), (201, Some("/orders/1")));
    assert_eq!(guarded.get("idempotency-replayed"), None);
}

#[tokio::test]
async fn section_2_6_a_retry_should_get_the_result_of_the_completed_operation_success_or_error() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    for (path, status) in [("/orders", 201), ("/status/402", 402), ("/status/404", 404)] {
        let (first, second) = server.twice(&post(path).key(path)).await;
        assert_eq!(second.status, status);
        assert_eq!(first.without_marks(), second.without_marks());
    }
}

#[tokio::test]
async fn section_2_6_a_concurrent_request_should_get_a_resource_conflict_error() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let request = post("/slow").key(KEY);
    let first = request.open(server.address).await;
    shop.until_runs(1).await;
    assert_eq!(server.send(&request).await.status, 409);
    drop(first);
}

#[tokio::test]
async fn section_2_7_a_missing_key_should_be_400_with_a_link_to_documentation() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let reply = server.send(&post("/orders")).await;
    assert_eq!((reply.status, shop.runs.count()), (400, 0));
    assert!(links_to_documentation(&reply));
    assert_eq!(reply.get("content-language"), Some("en"));
}

#[tokio::test]
async fn section_2_7_a_reused_key_should_be_422_with_a_link_to_documentation() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    server.send(&post("/orders").key(KEY).json("1")).await;
    let reply = server.send(&post("/orders").key(KEY).json("2")).await;
    assert_eq!(reply.status, 422);
    assert!(links_to_documentation(&reply));
}

#[tokio::test]
async fn section_2_7_a_request_still_being_processed_should_be_409_with_a_problem_description() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let request = post("/slow").key(KEY);
    let first = request.open(server.address).await;
    shop.until_runs(1).await;
    let reply = server.send(&request).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (409, Some("in_progress")));
    assert!(links_to_documentation(&reply) && reply.get("retry-after").is_some());
    drop(first);
}

#[tokio::test]
async fn section_2_7_clients_must_correct_the_requests_or_the_resource_must_fail_them_again() {
    let shop = Shop::new();
    let server = shop.serve(documented()).await;
    let (first, second) = server.twice(&post("/orders")).await;
    assert_eq!((first.status, first.without_marks()), (400, second.without_marks()));
    server.send(&post("/orders").key(KEY).json("1")).await;
    let (first, second) = server.twice(&post("/orders").key(KEY).json("2")).await;
    assert_eq!((first.status, first.without_marks()), (422, second.without_marks()));
    assert_eq!(shop.runs.count(), 1);
}
