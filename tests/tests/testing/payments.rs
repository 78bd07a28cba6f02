use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use idempotent_core::http::IdempotencyLayer;
use idempotent_core::testing::{self, Fault, StoreMethod, TestEngine, When};
use idempotent_core::testing::{assert_executed_once, assert_replayed};
use idempotent_core::{Error, ErrorKind, Idempotency, idempotent};
use serde_json::json;
use tokio::sync::mpsc;
use tower::ServiceExt;

// ---- the service -------------------------------------------------------------------------------

/// Stands for a payment provider: it reports what it is asked, and answers once it may.
#[derive(Clone)]
struct Provider {
    asked: mpsc::UnboundedSender<u64>,
    answers: bool,
}

impl Provider {
    async fn charge(&self, cents: u64) -> u64 {
        self.asked.send(cents).expect("the test listens");
        if !self.answers {
            std::future::pending::<()>().await;
        }
        cents
    }
}

#[idempotent(key = order, name = "shop.charge", fingerprint = cents, guarantee = at_most_once)]
async fn charge(provider: Provider, order: u64, cents: u64) -> Result<u64, Error> {
    Ok(provider.charge(cents).await)
}

async fn pay(State(provider): State<Provider>, Json(cents): Json<u64>) -> Json<u64> {
    Json(provider.charge(cents).await)
}

fn router(engine: Idempotency, provider: Provider) -> Router {
    let layer =
        IdempotencyLayer::at_most_once(engine, "shop.pay").scope(|_| "customer 1").required();
    Router::new().route("/payments", post(pay)).layer(layer).with_state(provider)
}

// ---- its tests ---------------------------------------------------------------------------------

fn provider(answers: bool) -> (Provider, mpsc::UnboundedReceiver<u64>) {
    let (asked, requests) = mpsc::unbounded_channel();
    (Provider { asked, answers }, requests)
}

#[tokio::test]
async fn a_retry_gets_the_first_receipt() {
    let (test, (provider, _requests)) = (testing::engine(), provider(true));
    test.run(async {
        assert_eq!(charge(provider.clone(), 7, 1990).await.unwrap(), 1990);
        assert_eq!(charge(provider, 7, 1990).await.unwrap(), 1990);
    })
    .await;
    assert_executed_once!(test, "shop.charge");
    assert_replayed!(test, "shop.charge");
}

#[tokio::test]
async fn another_amount_under_the_same_order_is_refused() {
    let (test, (provider, _requests)) = (testing::engine(), provider(true));
    test.run(async {
        charge(provider.clone(), 7, 1990).await.unwrap();
        let error = charge(provider, 7, 2990).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FingerprintMismatch);
    })
    .await;
    assert_executed_once!(test, "shop.charge");
}

#[tokio::test]
async fn a_double_click_charges_once() {
    let (test, (silent, mut requests)) = (testing::engine(), provider(false));
    let first = tokio::spawn(test.run(charge(silent.clone(), 7, 1990)));
    requests.recv().await; // the first call runs
    let second = test.run(charge(silent, 7, 1990)).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::InProgress);
    assert_executed_once!(test, "shop.charge");
    first.abort();
}

#[tokio::test]
async fn nothing_is_charged_while_the_store_is_down() {
    let (test, (provider, mut requests)) = (testing::engine(), provider(true));
    test.store().inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    let error = test.run(charge(provider, 7, 1990)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(requests.recv().await.is_none());
}

#[tokio::test]
async fn a_crash_after_the_provider_was_asked_is_in_doubt_and_not_charged_again() {
    let (test, (silent, mut requests)) = (testing::engine(), provider(false));
    let asked = async move { requests.recv().await };
    test.run(async {
        assert!(testing::crash(charge(silent, 7, 1990)).when(asked).await.is_none());

        test.clock().advance(Duration::from_secs(60)); // the lease has lapsed
        let (answering, mut requests) = provider(true);
        let error = charge(answering, 7, 1990).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Indeterminate);
        assert!(requests.recv().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_crash_after_the_result_was_recorded_costs_nothing() {
    let (test, (provider, _requests)) = (testing::engine(), provider(true));
    test.store().inject(StoreMethod::Complete, When::Nth(1), Fault::HangAfter);
    test.run(async {
        let recorded = test.store().until_answered(StoreMethod::Complete, 1);
        let crashed = testing::crash(charge(provider.clone(), 7, 1990)).when(recorded).await;
        assert!(crashed.is_none());
        assert_eq!(charge(provider, 7, 1990).await.unwrap(), 1990);
    })
    .await;
    assert_executed_once!(test, "shop.charge");
}

#[tokio::test]
async fn after_a_day_the_same_order_is_a_new_one() {
    let (test, (provider, mut requests)) = (testing::engine(), provider(true));
    test.run(async {
        charge(provider.clone(), 7, 1990).await.unwrap();
        test.clock().advance(Duration::from_secs(24 * 60 * 60));
        charge(provider, 7, 2990).await.unwrap();
    })
    .await;
    assert_eq!([requests.recv().await, requests.recv().await], [Some(1990), Some(2990)]);
}

async fn post_payment(test: &TestEngine, provider: &Provider, cents: u64) -> Response {
    let request = Request::post("/payments")
        .header("idempotency-key", "8e03978e-40d5-43e8-bc93-6894a57f9324")
        .header("content-type", "application/json");
    let request = request.body(Body::from(json!(cents).to_string())).unwrap();
    router(test.engine(), provider.clone()).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_client_that_sends_its_payment_again_gets_the_same_answer() {
    let (test, (provider, _requests)) = (testing::engine(), provider(true));
    let first = post_payment(&test, &provider, 1990).await;
    assert_eq!(first.status(), StatusCode::OK);
    let second = post_payment(&test, &provider, 1990).await;
    assert_replayed!(second);
    assert_eq!(second.status(), StatusCode::OK);
    assert_executed_once!(test, "shop.pay");
}

#[tokio::test]
async fn a_client_that_changes_its_payment_is_told_so() {
    let (test, (provider, _requests)) = (testing::engine(), provider(true));
    post_payment(&test, &provider, 1990).await;
    let changed = post_payment(&test, &provider, 2990).await;
    assert_eq!(changed.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_executed_once!(test, "shop.pay");
}
