//! Clients that send no key: the request itself is its key.

use std::sync::Arc;

use axum::Router;
use axum::routing::post as on_post;
use http::HeaderMap;
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::ScopeShare;
use idempotent_core::http::{IdempotencyKey, IdempotencyLayer, RequestFingerprint};
use idempotent_core::testing::ManualClock;
use idempotent_tests::{engine, secs};

use super::{KEY, Server, Shop, layer, post};

fn by_content() -> IdempotencyLayer {
    layer().key_from_content()
}

#[tokio::test]
async fn a_request_without_a_key_is_replayed_to_its_equal() {
    let shop = Shop::new();
    let server = shop.serve(by_content()).await;
    let first = server.send(&post("/orders?a=1&b=2").json(r#"{"tea": 1, "to": "me"}"#)).await;
    let again = server.send(&post("/orders?b=2&a=1").json(r#"{"to":"me","tea":1.0}"#)).await;
    assert_eq!((first.status, first.text(), first.is_replay()), (201, "order 1", false));
    assert_eq!((again.status, again.text(), again.is_replay()), (201, "order 1", true));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn another_method_path_query_host_or_body_is_another_request() {
    let shop = Shop::new();
    let methods = [http::Method::POST, http::Method::PATCH];
    let server = shop.serve(by_content().methods(methods)).await;
    let requests = [
        post("/orders").json("{}"),
        crate::raw_client::method("PATCH", "/orders").json("{}"),
        post("/others").json("{}"),
        post("/orders?a").json("{}"),
        post("/orders").json(r#"{"tea":1}"#),
        post("/orders").body("text/plain", "{}"),
        post("/orders"),
    ];
    for (i, request) in requests.iter().enumerate() {
        assert_eq!(server.send(request).await.text(), format!("order {}", i + 1));
    }
    for (i, request) in requests.iter().enumerate() {
        assert_eq!(server.send(request).await.text(), format!("order {}", i + 1));
    }
}

#[tokio::test]
async fn a_key_that_a_client_sends_never_meets_one_by_content() {
    let shop = Shop::new();
    let server = shop.serve(by_content()).await;
    let request = || post("/orders").json(r#"{"tea":1}"#);
    let (by_content, keyed) =
        (server.send(&request()).await, server.send(&request().key(KEY)).await);
    assert_eq!((by_content.text(), keyed.text()), ("order 1", "order 2"));

    // A client that knows how such a key is made, in every form in which it could send one.
    let parts = http::Request::post("/orders").header("content-type", "application/json");
    let parts = parts.header("host", server.address.to_string()).body(()).unwrap().into_parts().0;
    let digest = RequestFingerprint::new().digest(&parts, &r#"{"tea":1}"#.into()).unwrap();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    for key in [hex.clone(), format!("(content){hex}"), "(content)".to_owned()] {
        let reply = server.send(&request().key(&key)).await;
        assert!(!reply.is_replay(), "{key}");
    }
    assert_eq!(shop.runs.count(), 5);
    assert_eq!(server.send(&request()).await.text(), "order 1");
    assert_eq!(server.send(&request().key(KEY)).await.text(), "order 2");
}

#[tokio::test]
async fn a_key_that_a_client_sends_is_used_and_its_payload_compared() {
    let shop = Shop::new();
    let server = shop.serve(by_content()).await;
    server.send(&post("/orders").json(r#"{"tea":1}"#).key("k")).await;
    let other = server.send(&post("/orders").json(r#"{"tea":2}"#).key("k")).await;
    assert_eq!(other.problem().as_deref(), Some("fingerprint_mismatch"));
    let invalid = server.send(&post("/orders").json(r#"{"tea":1}"#).key("")).await;
    assert_eq!((invalid.status, invalid.problem().as_deref()), (400, Some("invalid_key")));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn equal_requests_of_two_callers_are_two_requests() {
    let shop = Shop::new();
    let layer = IdempotencyLayer::at_least_once(engine(), "shop")
        .scope(|parts| parts.headers.get("x-tenant").cloned())
        .key_from_content();
    let server = shop.serve(layer).await;
    let request = |tenant| post("/orders").json("{}").line(format!("X-Tenant: {tenant}"));
    for (tenant, order) in [("alice", "order 1"), ("bob", "order 2"), ("alice", "order 1")] {
        assert_eq!(server.send(&request(tenant)).await.text(), order);
    }
    let nobody = server.send(&post("/orders").json("{}")).await;
    assert_eq!((nobody.status, nobody.problem().as_deref()), (400, Some("missing_scope")));
}

#[tokio::test]
async fn the_fingerprint_says_what_counts() {
    let shop = Shop::new();
    let fingerprint = RequestFingerprint::new().exclude("/sent_at");
    let server = shop.serve(by_content().fingerprint(fingerprint)).await;
    let request = |tea, at| post("/orders").json(&format!(r#"{{"tea":{tea},"sent_at":{at}}}"#));
    for (tea, at, order) in [(1, 1, "order 1"), (1, 2, "order 1"), (2, 3, "order 2")] {
        assert_eq!(server.send(&request(tea, at)).await.text(), order);
    }
}

#[tokio::test]
async fn the_ttl_is_the_window_in_which_an_equal_request_is_a_repetition() {
    let shop = Shop::new();
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    let layer = IdempotencyLayer::at_least_once(Idempotency::new(store), "shop")
        .scope(|_| "everybody")
        .key_from_content()
        .ttl(secs(60))
        .lease(secs(10));
    let server = shop.serve(layer).await;
    let request = post("/orders").json("{}");
    assert_eq!(server.send(&request).await.text(), "order 1");
    clock.advance(secs(59));
    assert_eq!(server.send(&request).await.text(), "order 1");
    clock.advance(secs(2));
    assert_eq!(server.send(&request).await.text(), "order 2");
}

#[tokio::test]
async fn equal_requests_at_once_run_once() {
    let shop = Shop::new();
    let server = shop.serve(by_content()).await;
    let running = {
        let (request, address) = (post("/slow").json("{}"), server.address);
        tokio::spawn(async move { request.send(address).await })
    };
    shop.until_runs(1).await;
    let second = server.send(&post("/slow").json("{}")).await;
    assert_eq!((second.status, second.problem().as_deref()), (409, Some("in_progress")));
    shop.gate.add_permits(1);
    assert_eq!(running.await.unwrap().text(), "order 1");
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn no_request_lacks_a_key_that_is_required() {
    for layer in [by_content().required(), layer().required().key_from_content()] {
        let shop = Shop::new();
        let server = shop.serve(layer).await;
        let (first, again) = server.twice(&post("/orders").json("{}")).await;
        assert_eq!((first.status, again.is_replay()), (201, true));
        let policy = first.get("idempotency-policy").unwrap();
        assert!(policy.ends_with("required=?0"), "{policy}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_without_a_key_too() {
    let shop = Shop::new();
    let server = shop.serve(by_content().request_limit(100)).await;
    let large = server.send(&post("/orders").body("text/plain", vec![b'x'; 101])).await;
    assert_eq!((large.status, shop.runs.count()), (413, 0));
    let small = server.send(&post("/orders").body("text/plain", vec![b'x'; 100])).await;
    assert_eq!(small.status, 201);
}

#[tokio::test]
async fn limits_and_shares_of_a_scope_hold_for_it() {
    let shop = Shop::new();
    let share = ScopeShare::new().max_records(1);
    let server = shop.serve(by_content().scope_share(share)).await;
    assert_eq!(server.send(&post("/orders").json("1")).await.status, 201);
    let second = server.send(&post("/orders").json("2")).await;
    assert_eq!((second.status, second.problem().as_deref()), (429, Some("scope_full")));
    assert!(server.send(&post("/orders").json("1")).await.is_replay());
}

#[tokio::test]
async fn a_method_that_is_not_guarded_passes() {
    let shop = Shop::new();
    let server = shop.serve(by_content()).await;
    let (first, second) = server.twice(&super::raw_client::get("/orders")).await;
    assert_eq!((first.text(), second.text()), ("order 1", "order 2"));
}

#[tokio::test]
async fn grpc_without_a_key_is_refused_as_it_is_with_one() {
    let shop = Shop::new();
    let server = shop.serve(by_content()).await;
    let reply = server.send(&post("/orders").body("application/grpc", "x")).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (415, Some("grpc_not_guarded")));
}

#[tokio::test]
async fn the_handler_finds_no_key_that_nobody_sent() {
    let seen = async |key: Option<IdempotencyKey>, headers: HeaderMap| {
        let key = key.map_or_else(|| "none".to_owned(), |key| key.as_str().to_owned());
        format!("{key} {}", headers.contains_key("idempotency-key"))
    };
    let router = Router::new().route("/orders", on_post(seen)).layer(by_content());
    let server = Server::start(router).await;
    assert_eq!(server.send(&post("/orders").json("{}")).await.text(), "none false");
    assert_eq!(server.send(&post("/orders").json("{}").key("k")).await.text(), "k true");
}

#[tokio::test]
async fn a_short_limit_of_keys_does_not_refuse_what_nobody_chose() {
    let shop = Shop::new();
    let engine = Idempotency::builder(MemoryStore::new()).max_key_bytes(12).build();
    let layer = IdempotencyLayer::at_least_once(engine, "shop").scope(|_| "everybody");
    let server = shop.serve(layer.key_from_content()).await;
    let (first, again) = server.twice(&post("/orders").json("{}")).await;
    assert_eq!((first.status, again.is_replay()), (201, true));
}
