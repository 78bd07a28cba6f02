//! A thousand orders by clients that keep retrying, each asked for once more when it is answered.

use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use idempotent_core::client::{IdempotentRetry, RetryInfo};
use idempotent_tests::{millis, secs};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::fault_plan::Draw;
use super::servers::Servers;
use crate::fault::Fault;

/// nginx's, in milliseconds.
pub(crate) const PATIENCE: u64 = 400;
const ORDERS: u32 = 1_000;
const AT_ONCE: usize = 50;
const KILLS_AT_ONCE: usize = 6;

/// What a client has in the end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) order: u32,
    pub(crate) fault: Fault,
    pub(crate) status: u16,
    pub(crate) text: String,
    /// How many requests the client sent.
    pub(crate) attempts: u32,
}

/// The ends of all orders.
pub(crate) async fn load(servers: &Servers, seed: u64) -> Vec<End> {
    let client = client();
    let (all, kills) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(KILLS_AT_ONCE)));
    let mut draw = Draw(seed);
    let mut tasks = JoinSet::new();
    for order in 0..ORDERS {
        let (fault, url, client) = (draw.fault(PATIENCE), servers.url(order), client.clone());
        let (all, kills) = (Arc::clone(&all), Arc::clone(&kills));
        tasks.spawn(async move {
            // The kill's first, so that orders without one do not wait behind those with one.
            let _kill = if fault.is_kill() { Some(kills.acquire().await.unwrap()) } else { None };
            let _permit = all.acquire().await.unwrap();
            ask_twice(&client, &url, order, fault).await
        });
    }
    tasks.join_all().await
}

fn client() -> ClientWithMiddleware {
    let retry = IdempotentRetry::new()
        .max_attempts(u32::MAX)
        .total_timeout(secs(50))
        .first_pause(millis(50))
        .max_pause(millis(500));
    ClientBuilder::new(reqwest::Client::builder().no_proxy().build().unwrap()).with(retry).build()
}

async fn ask_twice(client: &ClientWithMiddleware, url: &str, order: u32, fault: Fault) -> End {
    let (first, key) = ask(client, url, order, fault, None).await;
    let (again, _) = ask(client, url, order, fault, Some(key)).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text), "{first:?}");
    End { attempts: first.attempts + again.attempts, ..first }
}

async fn ask(
    client: &ClientWithMiddleware,
    url: &str,
    order: u32,
    fault: Fault,
    key: Option<HeaderValue>,
) -> (End, HeaderValue) {
    let body = serde_json::to_vec(&fault).unwrap();
    let mut request = client.post(url).header(CONTENT_TYPE, "application/json").body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.unwrap();
    let info = RetryInfo::of(&answer).unwrap();
    let (attempts, key) = (info.attempts(), info.key().unwrap().clone());
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (End { order, fault, status, text, attempts }, key)
}
