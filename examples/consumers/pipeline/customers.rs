//! The customers: each orders once, and sends its request again, under the same key, until it has a receipt.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::chance::Chance;
use crate::process::Said;
use crate::shop::{NewOrder, Receipt};

/// How many order at once.
const AT_ONCE: u32 = 8;
const ACCOUNTS: u32 = 40;

/// What became of the requests.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    /// Those of them that were answered with a receipt.
    pub(crate) receipts: u64,
    /// Refused, to be sent again.
    pub(crate) refused: u64,
    /// No answer came, or nobody waited for it.
    pub(crate) unanswered: u64,
    /// The number of each order, and the customer's reference, by receipt.
    pub(crate) orders: Vec<(i64, u32)>,
    /// Receipts that differ from an earlier one of the same key.
    pub(crate) contradictions: u64,
}

#[derive(Clone)]
struct Customers {
    http: reqwest::Client,
    shops: Arc<[Said]>,
    tally: Arc<Mutex<Tally>>,
}

/// Places so many orders, and returns what became of the requests.
pub(crate) async fn order_all(requests: u32, seed: u64, shops: &[Said]) -> Result<Tally, Failure> {
    let (http, shops) = (reqwest::Client::new(), shops.iter().cloned().collect());
    let customers = Customers { http, shops, tally: Arc::default() };
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let customers = customers.clone();
        tasks.spawn(async move {
            for reference in (first..requests).step_by(AT_ONCE as usize) {
                let mut chance = Chance::new(seed.wrapping_mul(1_000_003) ^ u64::from(reference));
                customers.order(reference, &mut chance).await;
                sleep(Duration::from_millis(10 + chance.below(40))).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(customers.tally(|tally| tally.clone()))
}

impl Customers {
    /// One order. Every fifth is clicked twice, and every fifth sent once more although there is a receipt.
    async fn order(&self, reference: u32, chance: &mut Chance) {
        let mut receipt = None;
        if chance.one_in(5) {
            let both = tokio::join!(self.ask(reference, false), self.ask(reference, false));
            self.compare(&mut receipt, both.0);
            self.compare(&mut receipt, both.1);
        }
        while receipt.is_none() {
            // Every third customer does not wait for an answer that takes longer than some milliseconds.
            let answer = self.ask(reference, chance.one_in(3)).await;
            self.compare(&mut receipt, answer);
        }
        if chance.one_in(5) {
            let again = self.ask(reference, false).await;
            self.compare(&mut receipt, again);
        }
        if let Some(number) = receipt {
            self.tally(|tally| tally.orders.push((number, reference)));
        }
    }

    /// Sends the request. `reqwest-middleware` with this crate's client does that, and when to try again.
    async fn ask(&self, reference: u32, is_impatient: bool) -> Option<i64> {
        self.tally(|tally| tally.sent += 1);
        let patience = Duration::from_millis(if is_impatient { 4 } else { 3_000 });
        let Ok(Some((status, body))) = timeout(patience, self.post(reference)).await else {
            self.tally(|tally| tally.unanswered += 1);
            sleep(Duration::from_millis(20)).await;
            return None;
        };
        let receipt = serde_json::from_str::<Receipt>(&body).ok().filter(|_| status == 201);
        self.tally(|tally| match receipt {
            Some(_) => tally.receipts += 1,
            None => tally.refused += 1,
        });
        if receipt.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
        receipt.map(|receipt| receipt.number)
    }

    async fn post(&self, reference: u32) -> Option<(u16, String)> {
        let shop = self.shops[reference as usize % self.shops.len()].last();
        let address: SocketAddr = shop.parse().ok()?;
        let url = format!("http://{address}/customers/{}/orders", reference % ACCOUNTS);
        let request = self
            .http
            .post(url)
            .header("idempotency-key", format!("order-{reference}"))
            .header("content-type", "application/json")
            .body(serde_json::json!(NewOrder { reference }).to_string());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    fn compare(&self, receipt: &mut Option<i64>, answer: Option<i64>) {
        let Some(number) = answer else { return };
        if *receipt.get_or_insert(number) != number {
            self.tally(|tally| tally.contradictions += 1);
        }
    }

    fn tally<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
