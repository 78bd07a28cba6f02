//! A hostile tenant: everything at once, as fast as it is answered.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::shop::Shop;

pub(crate) const TENANT: &str = "mallory";

/// What it got.
#[derive(Default)]
pub(crate) struct Refusals {
    pub(crate) too_many: AtomicUsize,
    /// Anything that blames somebody else.
    pub(crate) unavailable: AtomicUsize,
}

impl Refusals {
    fn note(&self, status: StatusCode) {
        match status {
            StatusCode::TOO_MANY_REQUESTS => &self.too_many,
            StatusCode::SERVICE_UNAVAILABLE => &self.unavailable,
            _ => return,
        }
        .fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Hostile {
    shop: Shop,
    refusals: Arc<Refusals>,
    until: Instant,
}

/// Attacks until the time is over.
pub(crate) async fn attack(shop: Shop, until: Instant) -> Arc<Refusals> {
    let hostile = Hostile { shop, refusals: Arc::default(), until };
    let mut attacks = JoinSet::new();
    attacks.spawn(hostile.clone().repeat("pay"));
    attacks.spawn(hostile.clone().repeat("large"));
    attacks.spawn(hostile.clone().repeat("fail"));
    attacks.spawn(hostile.clone().hang_up());
    for _ in 0..32 {
        attacks.spawn(hostile.clone().wait_for_one_key());
    }
    for number in 0..8 {
        attacks.spawn(hostile.clone().trickle(number));
    }
    attacks.join_all().await;
    hostile.refusals
}

impl Hostile {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    async fn send(&self, what: &str, key: &str, body: Body) {
        let answer = self.shop.send(what, TENANT, key, body).await;
        self.refusals.note(answer.status);
        // Otherwise refusals alone would take the machine.
        sleep(Duration::from_millis(2)).await;
    }

    /// A new key each time.
    async fn repeat(self, what: &'static str) {
        let mut number = 0;
        while self.goes_on() {
            number += 1;
            self.send(what, &format!("{what}-{number}"), Body::empty()).await;
        }
    }

    /// Handlers whose client is gone.
    async fn hang_up(self) {
        let mut number = 0;
        while self.goes_on() {
            number += 1;
            let key = format!("gone-{number}");
            let request = self.send("slow", &key, Body::empty());
            let _ = timeout(Duration::from_millis(5), request).await;
        }
    }

    /// One of many that wait for the same key, which is another one each second.
    async fn wait_for_one_key(self) {
        let start = Instant::now();
        while self.goes_on() {
            let key = format!("awaited-{}", start.elapsed().as_secs());
            self.send("slow", &key, Body::empty()).await;
        }
    }

    /// Bodies that come one byte at a time.
    async fn trickle(self, nth: usize) {
        let mut number = 0;
        while self.goes_on() {
            number += 1;
            let bytes = stream::unfold(0, |sent| async move {
                sleep(Duration::from_millis(20)).await;
                (sent < 25).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"x")), sent + 1))
            });
            let key = format!("trickle-{nth}-{number}");
            self.send("pay", &key, Body::from_stream(bytes)).await;
        }
    }
}
