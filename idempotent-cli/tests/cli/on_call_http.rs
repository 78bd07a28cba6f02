//! The same at a service: a client that retries its payment meanwhile, and a provider that delivers its webhook twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::post;
use axum::{Json, Router};
use idempotent_core::http::IdempotencyLayer;
use idempotent_core::{Error, Idempotency, Operation};
use serde_json::{Value, json};

use crate::run::{audit, one, run};
use crate::stores::TestStore;

/// What has happened at the shop.
#[derive(Default)]
struct Effects {
    payments: AtomicU32,
    deliveries: AtomicU32,
    webhooks: AtomicU32,
}

#[derive(Clone)]
struct Shop {
    engine: Idempotency,
    effects: Arc<Effects>,
}

/// The card is charged, and then the answer of the gateway is lost.
async fn pay(State(shop): State<Shop>) -> StatusCode {
    shop.effects.payments.fetch_add(1, Ordering::SeqCst);
    StatusCode::BAD_GATEWAY
}

async fn webhook(State(shop): State<Shop>, Json(event): Json<Value>) -> Result<String, StatusCode> {
    shop.effects.deliveries.fetch_add(1, Ordering::SeqCst);
    let id = event["id"].as_str().ok_or(StatusCode::BAD_REQUEST)?.to_owned();
    let call = Operation::new("shop.webhook").key(&id).engine(&shop.engine);
    let handled = call.returning::<Result<String, Error>>().run(|| async {
        let number = shop.effects.webhooks.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(format!("booked {number}"))
    });
    handled.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Serves the shop, and returns its address.
async fn serve(shop: Shop) -> String {
    let layer = IdempotencyLayer::at_most_once(shop.engine.clone(), "shop")
        .scope(|parts: &Parts| Some(parts.headers.get("x-tenant")?.to_str().ok()?.to_owned()))
        .required();
    let router = Router::new()
        .route("/payments", post(pay))
        .layer(layer)
        .route("/webhooks", post(webhook))
        .with_state(shop);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A client that pays for an order, and retries until somebody knows. Returns every status, and the last answer.
async fn pay_until_known(address: String) -> (Vec<u16>, Value, bool) {
    let client = reqwest::Client::new();
    let mut statuses = Vec::new();
    loop {
        let request = client.post(format!("{address}/payments")).header("x-tenant", "acme");
        let request = request.header("idempotency-key", "order-4711").json(&json!({ "amount": 5 }));
        let response = request.send().await.expect("it answers");
        statuses.push(response.status().as_u16());
        if response.status() == StatusCode::CREATED {
            let is_replay = response.headers().contains_key("idempotency-replayed");
            return (statuses, response.json().await.expect("JSON"), is_replay);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_retry_replays_what_an_operator_has_said_of_its_payment() {
    let store = TestStore::sqlite().await;
    let shop = Shop { engine: store.engine.clone(), effects: Arc::default() };
    let address = serve(shop.clone()).await;
    let client = tokio::spawn(pay_until_known(address.clone()));

    // The order's number is all that the caller on the phone has.
    let found = async {
        loop {
            let listed =
                run(&store.url, &["list", "--state", "indeterminate", "--matching", "4711"]);
            let listed = listed.await;
            if let Some(line) = listed.stdout.lines().nth(1) {
                break line.split_whitespace().last().expect("an id").to_owned();
            }
        }
    };
    let id = tokio::time::timeout(Duration::from_secs(30), found).await.expect("it is found");
    let shown = run(&store.url, &["show", &id]).await;
    assert!(
        shown.stdout.contains("order-4711") && shown.stdout.contains("acme"),
        "{}",
        shown.stdout
    );

    let answer = r#"{"status": 201, "headers": {"content-type": "application/json"}, "body": {"receipt": 7}}"#;
    let log = store.file("audit.jsonl");
    let resolve = ["resolve", &id, "--happened", answer, "--yes", "--reason", "the gateway has it"];
    let logged = ["--audit-log", log.to_str().expect("UTF-8")];
    let (done, code) = one(&store.url, &[&resolve[..], &logged].concat()).await;
    assert_eq!((code, &done["done"]), (0, &json!(true)), "{done:#}");

    let retried = tokio::time::timeout(Duration::from_secs(30), client).await;
    let (statuses, receipt, is_replay) = retried.expect("it is told").expect("it ran");
    assert_eq!((receipt, is_replay), (json!({ "receipt": 7 }), true), "{statuses:?}");
    assert_eq!(statuses.first(), Some(&502));
    let refused = &statuses[1..statuses.len() - 1];
    assert!(refused.iter().all(|status| *status == 423), "{statuses:?}");
    assert_eq!(shop.effects.payments.load(Ordering::SeqCst), 1, "the card was charged once");
    assert_eq!(audit(&log)[0]["reason"], json!("the gateway has it"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_of_a_webhook_that_came_twice_is_found_by_its_id() {
    let store = TestStore::sqlite().await;
    let shop = Shop { engine: store.engine.clone(), effects: Arc::default() };
    let address = serve(shop.clone()).await;
    let client = reqwest::Client::new();
    let mut answers = Vec::new();
    for id in ["evt_1", "evt_1", "evt_2"] {
        let event = json!({ "id": id, "type": "payment.succeeded" });
        let response = client.post(format!("{address}/webhooks")).json(&event).send().await;
        answers.push(response.expect("it answers").text().await.expect("a text"));
    }
    assert_eq!(answers, ["booked 1", "booked 1", "booked 2"]);
    assert_eq!(shop.effects.deliveries.load(Ordering::SeqCst), 3);

    let by_event = ["list", "--operation", "shop.webhook", "--matching", "evt_1"];
    let (found, code) = one(&store.url, &by_event).await;
    assert_eq!((code, &found["state"], &found["key"]), (0, &json!("completed"), &json!("evt_1")));
    let id = found["id"].as_str().expect("an id");
    let (shown, _) = one(&store.url, &["show", id]).await;
    assert_eq!(shown["result"]["value"], json!("booked 1"));
}
