//! Reconciling against a provider that fails, stalls, and knows nothing of requests that are still on their way: by three
//! jobs at once, of which one is killed.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::backends::{PostgresStore, RedisStore};
use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::{Doubtful, Finding, Inspection, Reconciler};
use idempotent_core::model::DerivedKey;
use idempotent_core::store::State;
use idempotent_core::{Error, Guarantee, Idempotency, Operation};
use idempotent_servers::{Postgres, Redis, Server, require};
use idempotent_tests::{millis, secs, until_within};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(secs(1));
const PAYMENTS: u64 = 120;
const SETTLE: Duration = secs(2);

/// What became of a payment, and from when on the provider knows.
#[derive(Clone, Copy)]
enum Fate {
    NeverSent,
    Arrives(Instant),
}

#[derive(Clone, Default)]
struct Provider {
    fates: Arc<Mutex<HashMap<DerivedKey, (u64, Fate)>>>,
    asked: Arc<AtomicU64>,
}

impl Provider {
    async fn ask(&self, call: &Doubtful) -> Finding {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed);
        let (number, fate) = self.fates.lock().unwrap()[&call.derive("stripe")];
        match (nth % 8, fate) {
            (3, _) => Finding::Unknown,
            (6, _) => pending().await,
            (_, Fate::Arrives(at)) if at <= Instant::now() => {
                Finding::happened(format!("receipt {number}"))
            }
            _ => Finding::NeverHappened,
        }
    }

    /// A job in a process of its own.
    fn job(&self, engine: &Idempotency) -> JoinHandle<()> {
        let provider = self.clone();
        let reconciler = Reconciler::new(engine)
            .settle(SETTLE)
            .ask_timeout(millis(300))
            .backoff(millis(50), millis(500))
            .concurrency(8)
            .operation("shop.charge", move |call| {
                let provider = provider.clone();
                async move { provider.ask(&call).await }
            });
        tokio::spawn(async move {
            loop {
                // A pass that fails is made again.
                let _ = reconciler.pass().await;
                sleep(millis(100)).await;
            }
        })
    }
}

async fn every_payment_is_resolved_rightly(engines: [Idempotency; 3]) {
    let provider = Provider::default();
    for number in 0..PAYMENTS {
        let call = CHARGE.key(&number).engine(&engines[0]).returning::<Result<String, Error>>();
        let call = match call.begin().await.unwrap() {
            BeginOutcome::Reserved(call) => call,
            other => panic!("{other:?}"),
        };
        let fate = match number % 3 {
            0 => Fate::NeverSent,
            1 => Fate::Arrives(Instant::now()),
            // After the first answer, and before a second one that counts.
            _ => Fate::Arrives(Instant::now() + SETTLE * 3 / 2),
        };
        let key = call.record_id().unwrap().derive("stripe");
        provider.fates.lock().unwrap().insert(key, (number, fate));
        call.abandon().await;
    }
    let [first, second, third] = &engines;
    let killed = provider.job(first);
    let jobs = [provider.job(second), provider.job(third)];
    until_within(secs(60), async || provider.asked.load(Ordering::Relaxed) > PAYMENTS / 4).await;
    killed.abort();
    let successor = provider.job(first);
    let left = || async {
        let mut left = 0;
        for number in 0..PAYMENTS {
            let id = first.record_id("shop.charge", None, &number).unwrap();
            let seen = first.inspect(&id).await.unwrap();
            left += u64::from(seen.is_some_and(|seen| seen.state() == State::Indeterminate));
        }
        left
    };
    let start = Instant::now();
    while left().await > 0 {
        assert!(start.elapsed() < secs(120), "they are not all settled");
        sleep(millis(200)).await;
    }
    for job in jobs.iter().chain([&successor]) {
        job.abort();
    }
    for number in 0..PAYMENTS {
        let id = first.record_id("shop.charge", None, &number).unwrap();
        let seen = first.inspect(&id).await.unwrap();
        let result = seen.as_ref().and_then(Inspection::result);
        let receipt = result.map(|result| result.decode::<String>().unwrap());
        let expected = (number % 3 != 0).then(|| format!("receipt {number}"));
        assert_eq!(receipt, expected, "payment {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_payment_on_redis_is_resolved_rightly() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let engine = || async {
        let builder = RedisStore::builder(redis.url()).response_timeout(secs(10));
        Idempotency::new(builder.connect().await.unwrap())
    };
    let engines = [engine().await, engine().await, engine().await];
    every_payment_is_resolved_rightly(engines).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_payment_on_postgres_is_resolved_rightly() {
    require!(Server::Postgres);
    let postgres = Postgres::start().await;
    let engine = || async {
        let builder = PostgresStore::builder(postgres.url()).max_connections(4);
        Idempotency::new(builder.response_timeout(secs(10)).connect().await.unwrap())
    };
    let engines = [engine().await, engine().await, engine().await];
    every_payment_is_resolved_rightly(engines).await;
}
