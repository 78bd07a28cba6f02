//! What a status means for the key.

use http::{HeaderMap, StatusCode};
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::Resolution;
use idempotent_core::http::{IdempotencyLayer, ServerErrors, StoredResponse};
use idempotent_core::store::Scan;
use idempotent_core::{Disposition, ErrorKind, Idempotency};
use idempotent_tests::secs;

use super::{Shop, layer, post};
use crate::server::layer_with_clock;

const RELEASE: [u16; 18] =
    [401, 403, 405, 406, 407, 411, 412, 413, 414, 415, 416, 417, 421, 425, 426, 428, 429, 431];
const HOLD: [u16; 2] = [408, 504];
const UNKNOWN: [u16; 5] = [500, 501, 502, 503, 599];
const KEEP: [u16; 14] = [200, 201, 202, 204, 301, 303, 304, 400, 402, 404, 409, 410, 422, 423];

#[tokio::test]
async fn what_precedes_the_effect_is_released_and_runs_again() {
    for code in RELEASE {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        let (first, second) = server.twice(&post(&format!("/status/{code}")).key("k")).await;
        assert_eq!((first.status, second.status, shop.runs.count()), (code, code, 2));
        assert!(!second.is_replay());
    }
}

#[tokio::test]
async fn what_leaves_work_behind_is_held_and_says_for_how_long() {
    for code in HOLD {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        let (first, second) = server.twice(&post(&format!("/status/{code}")).key("k")).await;
        assert_eq!((first.status, first.text()), (code, "run 1"));
        assert_eq!((second.status, second.problem().as_deref()), (409, Some("held")));
        let retry_after: u64 = second.get("retry-after").unwrap().parse().unwrap();
        assert!(
            (20..=30).contains(&retry_after),
            "the lease is 30 s, and {retry_after} s are left"
        );
        assert_eq!(shop.runs.count(), 1, "{code}");
    }
}

#[tokio::test]
async fn what_leaves_the_effect_unknown_runs_again_at_once_under_at_least_once() {
    for code in UNKNOWN {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        let (first, second) = server.twice(&post(&format!("/status/{code}")).key("k")).await;
        assert_eq!((first.text(), second.text()), ("run 1", "run 2"));
        assert_eq!((second.status, second.is_replay()), (code, false));
    }
}

#[tokio::test]
async fn what_leaves_the_effect_unknown_is_locked_at_once_under_at_most_once() {
    for code in UNKNOWN {
        let (layer, _clock) = layer_with_clock(IdempotencyLayer::at_most_once);
        let shop = Shop::new();
        let server = shop.serve(layer).await;
        let (first, second) = server.twice(&post(&format!("/status/{code}")).key("k")).await;
        assert_eq!((first.status, second.status), (code, 423));
        assert_eq!((second.problem().as_deref(), shop.runs.count()), (Some("indeterminate"), 1));
    }
}

#[tokio::test]
async fn a_layer_says_in_a_word_what_a_server_error_means() {
    let cases = [
        (ServerErrors::Rerun, 500, "run 2", 2),
        (ServerErrors::Replay, 500, "run 1", 1),
        (ServerErrors::Indeterminate, 423, "", 1),
    ];
    for (server_errors, status, text, runs) in cases {
        let shop = Shop::new();
        let server = shop.serve(layer().server_errors(server_errors)).await;
        let (_, second) = server.twice(&post("/status/500").key("k")).await;
        assert_eq!((second.status, shop.runs.count()), (status, runs), "{server_errors:?}");
        assert!(second.text().contains(text), "{server_errors:?}");
    }
}

#[tokio::test]
async fn all_else_is_kept_and_replayed() {
    for code in KEEP {
        let shop = Shop::new();
        let server = shop.serve(layer()).await;
        let (first, second) = server.twice(&post(&format!("/status/{code}")).key("k")).await;
        assert_eq!(first.without_marks(), second.clone().without_marks());
        assert!(second.is_replay() && shop.runs.count() == 1, "{code}");
    }
}

#[tokio::test]
async fn a_held_key_runs_again_after_its_lease_under_at_least_once() {
    let (layer, clock) = layer_with_clock(IdempotencyLayer::at_least_once);
    let shop = Shop::new();
    let server = shop.serve(layer).await;
    let request = post("/status/504").key("k");
    assert_eq!(server.send(&request).await.status, 504);
    clock.advance(secs(30));
    assert_eq!((server.send(&request).await.status, shop.runs.count()), (504, 2));
}

#[tokio::test]
async fn a_held_key_is_locked_after_its_lease_under_at_most_once() {
    let (layer, clock) = layer_with_clock(IdempotencyLayer::at_most_once);
    let shop = Shop::new();
    let server = shop.serve(layer).await;
    let request = post("/status/504").key("k");
    assert_eq!(server.send(&request).await.status, 504);
    clock.advance(secs(30));
    let reply = server.send(&request).await;
    assert_eq!((reply.status, reply.problem().as_deref()), (423, Some("indeterminate")));
    assert_eq!(shop.runs.count(), 1);
}

#[tokio::test]
async fn a_lost_response_is_resolved_to_a_response_and_to_nothing_else() {
    let store = MemoryStore::new();
    let engine = Idempotency::new(store);
    let layer = IdempotencyLayer::at_most_once(engine.clone(), "shop").global_scope();
    let shop = Shop::new();
    let server = shop.serve(layer.min_key_entropy(0)).await;
    let request = post("/status/500").key("k");
    assert_eq!(server.send(&request).await.status, 500);
    let page = engine.scan(&Scan::indeterminate()).await.unwrap();
    let [lost] = &page.entries[..] else { panic!("{page:?}") };

    let receipt = serde_json::json!({ "number": 7 });
    for wrong in [
        Resolution::completed(&receipt),
        Resolution::completed(&receipt).of_any_type(),
        Resolution::completed("receipt 7"),
    ] {
        let error = engine.resolve(lost, wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        let text = error.to_string();
        let advice = "use `Resolution::completed_binary(&StoredResponse::new(…))`";
        assert!(text.contains(advice), "{text}");
        assert!(!text.contains("of_any_type"), "{text}");
    }
    let found = StoredResponse::new(StatusCode::CREATED, HeaderMap::new(), "receipt 7".into());
    engine.resolve(lost, Resolution::completed_binary(&found)).await.unwrap();
    let replay = server.send(&request).await;
    assert_eq!((replay.status, replay.text(), replay.is_replay()), (201, "receipt 7", true));
}

#[tokio::test]
async fn a_status_means_what_the_layer_says() {
    let shop = Shop::new();
    let layer = layer()
        .disposition(|parts| match parts.status {
            StatusCode::IM_A_TEAPOT => Disposition::Release,
            _ => Disposition::Keep,
        })
        .disposition_of(StatusCode::CONFLICT, Disposition::HoldForLease);
    let server = shop.serve(layer).await;
    let (_, teapot) = server.twice(&post("/status/418").key("1")).await;
    assert_eq!((teapot.status, teapot.is_replay()), (418, false));
    let (_, failed) = server.twice(&post("/status/500").key("2")).await;
    assert_eq!((failed.status, failed.is_replay()), (500, true));
    let (_, conflict) = server.twice(&post("/status/409").key("3")).await;
    assert_eq!(conflict.problem().as_deref(), Some("held"));
}

#[tokio::test]
async fn a_response_is_kept_as_long_as_its_disposition_says() {
    let (layer, clock) = layer_with_clock(IdempotencyLayer::at_least_once);
    let shop = Shop::new();
    let server = shop.serve(layer.disposition(|_| Disposition::KeepFor(secs(60)))).await;
    let request = post("/orders").key("k");
    let (_, second) = server.twice(&request).await;
    assert!(second.is_replay());
    clock.advance(secs(60));
    assert_eq!(server.send(&request).await.text(), "order 2");
}

#[tokio::test]
async fn the_preset_of_stripe_keeps_server_errors_and_no_failed_validation() {
    let shop = Shop::new();
    let server = shop.serve(layer().stripe()).await;
    let (_, failed) = server.twice(&post("/status/500").key("1")).await;
    assert_eq!((failed.status, failed.get("idempotent-replayed")), (500, Some("true")));
    let (_, invalid) = server.twice(&post("/status/400").key("2")).await;
    assert_eq!((invalid.text(), invalid.get("idempotent-replayed")), ("run 3", None));
    let (_, invalid) = server.twice(&post("/status/422").key("3")).await;
    assert_eq!((invalid.text(), invalid.get("idempotent-replayed")), ("run 5", None));
}

#[tokio::test]
async fn the_preset_of_the_ietf_needs_a_key_and_refuses_duplicates_at_once() {
    let shop = Shop::new();
    let server = shop.serve(layer().wait(secs(60)).ietf()).await;
    assert_eq!(server.send(&post("/orders")).await.problem().as_deref(), Some("missing_key"));
    let slow = post("/slow").key("k");
    let first = slow.open(server.address).await;
    shop.until_runs(1).await;
    assert_eq!(server.send(&slow).await.status, 409);
    drop(first);
}
