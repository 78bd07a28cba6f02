//! What the tests begin with: a database with an outbox, and relays that are run and stopped.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use idempotent_core::backends::PostgresStore;
use idempotent_core::outbox::{self, Outbox, Publish, Relay};
use idempotent_servers::Postgres;
use idempotent_tests::millis;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

pub(crate) const TOPIC: &str = "orders.paid";

pub(crate) struct Database {
    pub(crate) server: Arc<Postgres>,
    pub(crate) pool: PgPool,
    pub(crate) url: String,
}

/// The server of the tests that do it no harm, while one of them runs.
static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());

impl Database {
    /// A database of its own, with the schema of the store, on a server that others use too.
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut shared = SHARED.lock().await;
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(Postgres::start().await),
        };
        *shared = Arc::downgrade(&server);
        let name = format!("outbox_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.sql(&format!("CREATE DATABASE {name}")).await;
        drop(shared);
        let url = format!("{}{name}", server.url().trim_end_matches("postgres"));
        Self::of(server, &url).await
    }

    /// A server of its own, with the schema of the store.
    pub(crate) async fn alone() -> Self {
        let server = Arc::new(Postgres::start().await);
        let url = server.url();
        Self::of(server, &url).await
    }

    async fn of(server: Arc<Postgres>, url: &str) -> Self {
        let pool = pool(url).await;
        let store = PostgresStore::builder(pool.clone()).response_timeout(Duration::from_secs(30));
        store.connect().await.unwrap().migrate().await.unwrap();
        Self { server, pool, url: url.to_owned() }
    }

    /// Other connections to the same database.
    pub(crate) async fn another_pool(&self) -> PgPool {
        pool(&self.url).await
    }

    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(self.pool.clone())
    }

    /// A relay that looks often and pauses shortly.
    pub(crate) fn relay(&self, broker: impl Publish) -> Relay {
        brisk(self.outbox(), broker)
    }

    /// Publishes in transactions of their own.
    pub(crate) async fn publish(&self, key: &str, payloads: impl IntoIterator<Item = u32>) {
        for payload in payloads {
            let mut tx = self.pool.begin().await.unwrap();
            outbox::publish(&mut tx, TOPIC, key, payload.to_string()).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    /// What waits, and what is parked.
    pub(crate) async fn backlog(&self) -> (u64, u64) {
        let backlog = self.outbox().backlog().await.unwrap();
        (backlog.pending, backlog.parked)
    }

    /// Until nothing waits any more.
    pub(crate) async fn drained(&self) {
        let empty = async {
            while self.backlog().await.0 > 0 {
                tokio::time::sleep(millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), empty).await.unwrap();
    }
}

pub(crate) async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(10).connect(url).await.unwrap()
}

pub(crate) fn brisk(outbox: Outbox, broker: impl Publish) -> Relay {
    Relay::new(outbox, broker).poll(millis(10)).backoff(millis(5), millis(50))
}

/// A relay that runs as a task.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(relay: Relay) -> Self {
        Self::on(&Handle::current(), async move { relay })
    }

    /// On another runtime, where the relay is made too: its connections belong there.
    pub(crate) fn on(
        runtime: &Handle,
        relay: impl Future<Output = Relay> + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            relay.await.run(stopped).await;
        });
        Self { stop: Some(stop), task }
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.take();
        tokio::time::timeout(Duration::from_secs(30), &mut self.task).await.unwrap().unwrap();
    }

    /// Drops it wherever it is.
    pub(crate) async fn abort(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

/// `1` to `last`, as payloads are.
pub(crate) fn numbers(last: u32) -> Vec<String> {
    (1..=last).map(|number| number.to_string()).collect()
}
