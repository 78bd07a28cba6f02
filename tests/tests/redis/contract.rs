//! The contract of every store, on each kind of server. The cases of a kind share one server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::store::{RedisStore, RedisStoreBuilder, Store};
use idempotent_core::testing::contract::{Lapsed, Subject};
use tokio::sync::OnceCell;

/// Two handles to one kind of server.
struct OverTheWire {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
}

impl OverTheWire {
    async fn new(builder: impl Fn() -> RedisStoreBuilder) -> Self {
        let connect = || async {
            // Loaded machines are slow; what is bounded in time is tested elsewhere.
            let store = builder().response_timeout(Duration::from_secs(5)).connect().await;
            Arc::new(store.unwrap())
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

    fn lapsed(&self) -> Lapsed {
        Lapsed::Forgotten
    }
}

mod redis_7_0 {
    use idempotent_servers::Redis;

    use super::*;

    static SERVER: OnceCell<Redis> = OnceCell::const_new();

    async fn subject() -> OverTheWire {
        let server = SERVER.get_or_init(Redis::start).await;
        OverTheWire::new(|| RedisStore::builder(server.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

/// Which compares before it sets, and not before it deletes.
mod valkey_8_1 {
    use idempotent_servers::{Flavor, Redis};

    use super::*;

    static SERVER: OnceCell<Redis> = OnceCell::const_new();

    async fn subject() -> OverTheWire {
        let start = || Redis::builder().flavor(Flavor::Valkey81).start();
        let server = SERVER.get_or_init(start).await;
        OverTheWire::new(|| RedisStore::builder(server.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod valkey {
    use idempotent_servers::{Flavor, Redis};

    use super::*;

    static SERVER: OnceCell<Redis> = OnceCell::const_new();

    async fn builder() -> RedisStoreBuilder {
        let start = || Redis::builder().flavor(Flavor::Valkey91).start();
        RedisStore::builder(SERVER.get_or_init(start).await.url())
    }

    mod by_script {
        use super::*;

        async fn subject() -> OverTheWire {
            let builder = builder().await.scripts_only();
            OverTheWire::new(|| builder.clone()).await
        }

        idempotent_core::testing::contract_tests! { subject().await }
    }

    mod by_ifeq {
        use super::*;

        async fn subject() -> OverTheWire {
            let builder = builder().await;
            OverTheWire::new(|| builder.clone()).await
        }

        idempotent_core::testing::contract_tests! { subject().await }
    }
}

mod cluster {
    use idempotent_servers::Cluster;

    use super::*;

    static SERVERS: OnceCell<Cluster> = OnceCell::const_new();

    async fn subject() -> OverTheWire {
        let cluster = SERVERS.get_or_init(|| Cluster::start(3, 1)).await;
        OverTheWire::new(|| RedisStore::cluster(cluster.urls())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod sentinel {
    use idempotent_servers::Sentinel;

    use super::*;

    static SERVERS: OnceCell<Sentinel> = OnceCell::const_new();

    async fn subject() -> OverTheWire {
        let group = SERVERS.get_or_init(|| Sentinel::start(2, 3)).await;
        OverTheWire::new(|| RedisStore::sentinel(group.sentinel_urls(), group.master_name())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
