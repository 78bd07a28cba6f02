//! How long a key and a scope may be, and what the layer says about it.

use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyLayer;
use idempotent_core::{Idempotency, http::IdempotencyKey};
use idempotent_tests::{Log, millis};

use super::{KEY, Shop, layer, post};

/// A layer on an engine with this limit.
fn limited_to(bytes: usize) -> IdempotencyLayer {
    let engine = Idempotency::builder(MemoryStore::new()).max_key_bytes(bytes).build();
    IdempotencyLayer::at_least_once(engine, "shop").scope(|_| "everybody")
}

#[tokio::test]
async fn a_key_over_the_engines_limit_has_a_code_of_its_own_that_names_the_limit() {
    for limit in [36, 255, 500] {
        let shop = Shop::new();
        let server = shop.serve(limited_to(limit)).await;
        let longest = "k".repeat(limit);
        assert_eq!(server.send(&post("/orders").key(&longest)).await.status, 201);
        for line in [format!("{longest}k"), format!("\"{longest}k\"")] {
            let reply =
                server.send(&post("/orders").line(format!("Idempotency-Key: {line}"))).await;
            assert_eq!((reply.status, reply.problem().as_deref()), (400, Some("key_too_long")));
            let detail = reply.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(&format!("more than {limit} characters")), "{detail}");
        }
        assert_eq!(shop.runs.count(), 1);
    }
}

#[tokio::test]
async fn the_published_length_is_the_engines_limit() {
    for limit in [36, 500] {
        let server = Shop::new().serve(limited_to(limit)).await;
        let reply = server.send(&post("/orders").key(KEY)).await;
        let policy = format!("ttl=86400, max-length={limit}, required=?0");
        assert_eq!(reply.get("idempotency-policy"), Some(&*policy));
    }
}

#[tokio::test]
async fn a_ttl_below_a_second_is_not_published_as_none() {
    for (ttl, published) in [(500, 1), (1_000, 1), (1_999, 1), (90_500, 90)] {
        let layer = layer().ttl(millis(ttl)).lease(millis(100)).required();
        let server = Shop::new().serve(layer).await;
        let problem = server.send(&post("/orders")).await;
        let policy = problem.get("idempotency-policy").unwrap();
        assert!(policy.starts_with(&format!("ttl={published}, ")), "{ttl}: {policy}");
        assert_eq!(problem.json()["ttl_seconds"], published);
    }
}

#[tokio::test]
async fn a_scope_over_the_limit_is_the_services_fault() {
    let (log, _listening) = Log::listen();
    let shop = Shop::new();
    let engine = Idempotency::builder(MemoryStore::new()).max_key_bytes(40).build();
    let layer = IdempotencyLayer::at_least_once(engine, "shop").scope(|_| "tenant ".repeat(8));
    let server = shop.serve(layer).await;
    let reply = server.send(&post("/orders").key(KEY)).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (500, Some("invalid_scope")));
    assert_eq!(shop.runs.count(), 0);
    assert!(!reply.text().contains("tenant"));
    let events = log.events("cannot be guarded");
    assert_eq!(events.len(), 1);
    assert!(events[0].field("error").contains("the scope has 56 bytes, but the limit is 40"));
}

#[tokio::test]
async fn refusals_name_the_header_that_carries_the_key() {
    let shop = Shop::new();
    let named = layer().header(http::HeaderName::from_static("x-request-id")).required();
    let server = shop.serve(named).await;
    let detail = |reply: crate::raw_client::Reply| {
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("X-Request-Id") && !detail.contains("Idempotency-Key"), "{detail}");
        detail
    };
    let missing = detail(server.send(&post("/orders").key("k")).await);
    assert!(missing.starts_with("This operation needs the header X-Request-Id."), "{missing}");
    for lines in [&["a", "b"][..], &["a, b"], &["\"\""], &["\"a"], &["cl\u{e9}"]] {
        let request = lines
            .iter()
            .fold(post("/orders"), |request, line| request.line(format!("X-Request-Id: {line}")));
        detail(server.send(&request).await);
    }
    detail(server.send(&post("/orders").line(format!("X-Request-Id: {}", "k".repeat(256)))).await);

    let server = Shop::new().serve(layer().required()).await;
    let usual = server.send(&post("/orders")).await.json()["detail"].clone();
    assert!(usual.as_str().unwrap().contains("the header Idempotency-Key."), "{usual}");
}

/// Ids as their makers make them, and what can be guessed.
#[tokio::test]
async fn in_the_global_scope_random_ids_are_keys_and_what_can_be_guessed_is_none() {
    let global =
        || IdempotencyLayer::at_least_once(idempotent_tests::engine(), "shop").global_scope();
    let server = Shop::new().serve(global()).await;
    for (id, status) in [
        (KEY, 201),
        ("01890a5d-ac96-774b-bcce-b302099a8057", 201),
        ("V1StGXR8_Z5jdHi6B-myT", 201),
        ("tz4a98xxat96iws9zmbrgj3a", 201),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", 201),
        ("0ujtsYcgvSTl8PAuAdqWYSMnLOv", 201),
        ("9m4e2mr0ui3e8a215n4g", 201),
        ("507f1f77bcf86cd799439011", 400),
        ("payment-for-invoice-2026-000123", 400),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 400),
        ("01890a5d-ac96-7000-8000-000000000001", 400),
        ("order-2026-01-02", 400),
        ("2026-01-02T03:04:05Z", 400),
    ] {
        assert_eq!(server.send(&post("/orders").key(id)).await.status, status, "{id}");
    }
    let trusting = Shop::new().serve(global().min_key_entropy(96)).await;
    assert_eq!(trusting.send(&post("/orders").key("507f1f77bcf86cd799439011")).await.status, 201);
    assert_eq!(trusting.send(&post("/orders").key("order-1")).await.status, 400);
}

#[test]
fn a_key_of_another_length_is_read_where_that_is_asked_for() {
    let mut headers = http::HeaderMap::new();
    headers.insert(IdempotencyKey::HEADER, "k".repeat(300).parse().unwrap());
    let key = |max| IdempotencyKey::from_headers_up_to(&headers, &IdempotencyKey::HEADER, max);
    assert_eq!(key(300).unwrap().unwrap().as_str().len(), 300);
    assert_eq!(
        key(299).unwrap_err().to_string(),
        "the idempotency key has more than 299 characters"
    );
}
