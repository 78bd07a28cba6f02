//! What a layer can be told.

use http::header::HeaderName;
use idempotent_tests::secs;

use super::{Shop, layer, post};
use crate::raw_client::method;

#[tokio::test]
async fn headers_have_the_names_that_the_layer_says() {
    let shop = Shop::new();
    let layer = layer()
        .header(HeaderName::from_static("x-request-key"))
        .replayed_header(HeaderName::from_static("x-again"))
        .policy_header(HeaderName::from_static("x-policy"));
    let server = shop.serve(layer).await;
    let (_, second) = server.twice(&post("/orders").line("X-Request-Key: k")).await;
    assert_eq!((second.get("x-again"), second.get("idempotency-replayed")), (Some("true"), None));
    assert!(second.get("x-policy").is_some());
    let (_, other) = server.twice(&post("/orders").key("k")).await;
    assert_eq!(other.text(), "order 3");
}

#[tokio::test]
async fn other_methods_are_guarded_if_the_layer_says_so() {
    let shop = Shop::new();
    let server = shop.serve(layer().methods([http::Method::PUT])).await;
    let (_, put) = server.twice(&method("PUT", "/orders").key("1")).await;
    let (_, post) = server.twice(&post("/orders").key("2")).await;
    assert_eq!((put.is_replay(), post.is_replay()), (true, false));
}

#[tokio::test]
async fn the_policy_is_published_with_every_answer() {
    let shop = Shop::new();
    let server = shop.serve(layer().ttl(secs(3600)).required()).await;
    let (first, second) = server.twice(&post("/orders").key("k")).await;
    let problem = server.send(&post("/orders")).await;
    for reply in [&first, &second, &problem] {
        let policy = reply.get("idempotency-policy");
        assert_eq!(policy, Some("ttl=3600, max-length=255, required=?1"));
    }
    assert_eq!(problem.json()["ttl_seconds"], 3600);
}

#[tokio::test]
async fn problems_point_to_the_services_own_documentation() {
    let shop = Shop::new();
    let layer = layer()
        .required()
        .problem_types("https://shop.example/problems/")
        .documentation("https://shop.example/idempotency");
    let server = shop.serve(layer).await;
    let reply = server.send(&post("/orders")).await;
    assert_eq!(reply.json()["type"], "https://shop.example/problems/missing_key");
    assert_eq!(
        reply.get("link"),
        Some("<https://shop.example/idempotency>; rel=\"describedby\"; type=\"text/html\"")
    );
}

#[tokio::test]
async fn a_header_that_is_named_is_not_kept() {
    let shop = Shop::new();
    let server = shop.serve(layer().strip_header(http::header::ETAG)).await;
    let (first, second) = server.twice(&post("/orders").key("k")).await;
    assert_eq!((first.get("etag"), second.get("etag")), (Some("\"1\""), None));
    assert_eq!(second.get("location"), Some("/orders/1"));
}

#[tokio::test]
async fn two_layers_of_two_names_do_not_share_keys() {
    let engine = idempotent_tests::engine();
    let named = |name| {
        idempotent_core::http::IdempotencyLayer::at_least_once(engine.clone(), name).scope(|_| 1)
    };
    let shop = Shop::new();
    let (one, other) = (shop.serve(named("one")).await, shop.serve(named("other")).await);
    assert_eq!(one.send(&post("/orders").key("k")).await.text(), "order 1");
    assert_eq!(other.send(&post("/orders").key("k")).await.text(), "order 2");
}
