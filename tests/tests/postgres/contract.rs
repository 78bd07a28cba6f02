//! The contract of every store, on each version. The cases of a version share one server and one
//! table.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::store::{PostgresStore, Store};
use idempotent_core::testing::contract::Subject;
use idempotent_servers::{Postgres, PostgresVersion};
use tokio::sync::OnceCell;

/// Two handles to one server.
struct OverTheWire {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
}

impl OverTheWire {
    async fn new(server: &Postgres) -> Self {
        let connect = || async {
            // Loaded machines are slow; what is bounded in time is tested elsewhere.
            let store = PostgresStore::builder(server.url())
                .response_timeout(Duration::from_secs(10))
                .max_connections(4)
                .connect()
                .await
                .unwrap();
            store.migrate().await.unwrap();
            Arc::new(store)
        };
        Self { store: connect().await, other: connect().await }
    }
}

#[async_trait]
impl Subject for OverTheWire {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn other_handle(&self) -> Arc<dyn Store> {
        self.other.clone()
    }

    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn tolerance(&self) -> Duration {
        Duration::from_millis(400)
    }
}

async fn start(version: PostgresVersion) -> Postgres {
    Postgres::builder().version(version).arg("max_connections", "900").start().await
}

mod postgres_15 {
    use super::*;

    static SERVER: OnceCell<Postgres> = OnceCell::const_new();

    async fn subject() -> OverTheWire {
        let server = SERVER.get_or_init(|| start(PostgresVersion::Distribution)).await;
        OverTheWire::new(server).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod postgres_18 {
    use super::*;

    static SERVER: OnceCell<Postgres> = OnceCell::const_new();

    async fn subject() -> OverTheWire {
        OverTheWire::new(SERVER.get_or_init(|| start(PostgresVersion::V18)).await).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
