//! Which header is which key, and which none.

use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::engine;

use super::{KEY, Shop, get, layer, post};
use crate::raw_client::{Wire, method};

#[tokio::test]
async fn a_header_that_is_no_key_is_400_and_runs_nothing() {
    let shop = Shop::new();
    let server = shop.serve(layer().required()).await;
    let table: &[(&[&[u8]], &str)] = &[
        (&[], "missing_key"),
        (&[b"Idempotency-Key:"], "invalid_key"),
        (&[b"Idempotency-Key:   "], "invalid_key"),
        (&[b"Idempotency-Key: \"\""], "invalid_key"),
        (&[b"Idempotency-Key: \"  \""], "invalid_key"),
        (&[b"Idempotency-Key: a", b"Idempotency-Key: a"], "invalid_key"),
        (&[b"Idempotency-Key: \"a\"", b"idempotency-key: \"b\""], "invalid_key"),
        (&[b"Idempotency-Key: a", b"Idempotency-Key:"], "invalid_key"),
        (&[b"Idempotency-Key: a, b"], "invalid_key"),
        (&[b"Idempotency-Key: \"a\", \"a\""], "invalid_key"),
        (&[b"Idempotency-Key: cl\xc3\xa9"], "invalid_key"),
        (&[b"Idempotency-Key: \"cl\xe9\""], "invalid_key"),
        (&[b"Idempotency-Key: a\tb"], "invalid_key"),
        (&[b"Idempotency-Key: \"a"], "invalid_key"),
        (&[b"Idempotency-Key: a\""], "invalid_key"),
        (&[b"Idempotency-Key: \"a\\n\""], "invalid_key"),
        (&[b"Idempotency-Key: a;1"], "invalid_key"),
    ];
    for (lines, code) in table {
        let request = lines.iter().fold(post("/orders"), Wire::line);
        let reply = server.send(&request).await;
        let shown: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        assert_eq!((reply.status, reply.problem().as_deref()), (400, Some(*code)), "{shown:?}");
    }
    for line in [
        format!("Idempotency-Key: {}", "k".repeat(256)),
        format!("Idempotency-Key: \"{}\"", "k".repeat(256)),
    ] {
        let reply = server.send(&post("/orders").line(line)).await;
        assert_eq!((reply.status, reply.problem().as_deref()), (400, Some("key_too_long")));
    }
    assert_eq!(shop.runs.count(), 0);
}

#[tokio::test]
async fn a_header_that_is_no_key_is_400_where_the_key_is_optional_too() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let reply = server.send(&post("/orders").line("Idempotency-Key: a, b")).await;
    assert_eq!((reply.status, shop.runs.count()), (400, 0));
}

#[tokio::test]
async fn each_way_to_write_a_key_is_the_same_key() {
    let longest = "k".repeat(255);
    let ways: &[&[String]] = &[
        &[
            "Idempotency-Key: abc".into(),
            "Idempotency-Key: \"abc\"".into(),
            "IDEMPOTENCY-KEY: abc".into(),
            "idempotency-key:abc".into(),
            "Idempotency-Key:   abc  ".into(),
            "Idempotency-Key: \"abc\";v=1".into(),
            "Idempotency-Key: abc; v=2; w".into(),
        ],
        &[r#"Idempotency-Key: "a\"b\\c""#.into(), r#"Idempotency-Key: "a\"b\\c"; v="1,2""#.into()],
        &[format!("Idempotency-Key: {longest}"), format!("Idempotency-Key: \"{longest}\"")],
        &["Idempotency-Key: a b".into(), "Idempotency-Key: \"a b\"".into()],
    ];
    for ways in ways {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        for line in *ways {
            let reply = server.send(&post("/orders").line(line)).await;
            assert_eq!((reply.status, reply.text()), (201, "order 1"), "{line}");
        }
        assert_eq!(shop.runs.count(), 1);
    }
}

#[tokio::test]
async fn keys_that_differ_in_one_character_are_two_keys() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    for (i, key) in ["a", "A", "a ", " a", "a\\\\", "a;1", "a,b"].into_iter().enumerate() {
        let reply = server.send(&post("/orders").key(key)).await;
        assert_eq!(reply.text(), format!("order {}", i + 1), "{key:?}");
    }
}

#[tokio::test]
async fn safe_methods_pass_with_their_key() {
    let shop = Shop::new();
    let server = shop.serve(layer().required()).await;
    for safe in ["GET", "OPTIONS", "PUT", "DELETE"] {
        let (first, second) = server.twice(&method(safe, "/orders").key("k")).await;
        assert_eq!((first.status, second.status), (201, 201), "{safe}");
        assert_ne!(first.body, second.body, "{safe}");
        assert_eq!(second.get("idempotency-policy"), None, "{safe}");
    }
    assert_eq!(server.send(&get("/orders")).await.status, 201);
}

#[tokio::test]
async fn post_and_patch_are_guarded() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    for (run, guarded) in ["POST", "PATCH"].into_iter().enumerate() {
        let (first, second) = server.twice(&method(guarded, "/orders").key(guarded)).await;
        assert_eq!(first.text(), format!("order {}", run + 1));
        assert!(second.is_replay(), "{guarded}");
    }
    assert_eq!(shop.runs.count(), 2);
}

#[tokio::test]
async fn without_a_key_a_request_passes_unless_it_must_have_one() {
    let shop = Shop::new();
    let server = shop.serve(layer()).await;
    let (first, second) = server.twice(&post("/orders")).await;
    assert_eq!((first.text(), second.text()), ("order 1", "order 2"));
    assert_eq!(second.get("idempotency-replayed"), None);
}

#[tokio::test]
async fn where_keys_have_no_owner_they_cannot_be_guessed() {
    let shop = Shop::new();
    let layer = IdempotencyLayer::at_least_once(engine(), "shop").global_scope();
    let server = shop.serve(layer).await;
    let weak = server.send(&post("/orders").key("order-1")).await;
    assert_eq!((weak.status, weak.problem().as_deref()), (400, Some("invalid_key")));
    assert_eq!(shop.runs.count(), 0);
    let (_, second) = server.twice(&post("/orders").key(KEY)).await;
    assert!(second.is_replay());
}
