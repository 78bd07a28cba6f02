//! The contract of every store, also where replicas have to acknowledge.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::store::{RedisStore, RedisStoreBuilder, Store};
use idempotent_core::testing::contract::{Lapsed, Subject};
use tokio::sync::OnceCell;

use crate::group::Group;

/// Wide: what is bounded in time is tested elsewhere, and loaded machines are slow.
const WITHIN: Duration = Duration::from_secs(3);

/// Two handles to one kind of servers.
struct Replicated {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
}

impl Replicated {
    async fn new(builder: impl Fn() -> RedisStoreBuilder) -> Self {
        let connect = || async {
            let builder = builder().min_replicas(1, WITHIN);
            Arc::new(builder.response_timeout(Duration::from_secs(5)).connect().await.unwrap())
        };
        Self { store: connect().await, other: connect().await }
    }
}

#[async_trait]
impl Subject for Replicated {
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

mod by_script {
    use super::*;

    static GROUP: OnceCell<Group> = OnceCell::const_new();

    async fn subject() -> Replicated {
        let group = GROUP.get_or_init(|| Group::start(1)).await;
        Replicated::new(|| RedisStore::builder(group.primary.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod by_ifeq {
    use idempotent_servers::Flavor;

    use super::*;

    static GROUP: OnceCell<Group> = OnceCell::const_new();

    async fn subject() -> Replicated {
        let group = GROUP.get_or_init(|| Group::of(Flavor::Valkey91, 1)).await;
        Replicated::new(|| RedisStore::builder(group.primary.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod cluster {
    use idempotent_servers::Cluster;

    use super::*;

    static SERVERS: OnceCell<Cluster> = OnceCell::const_new();

    async fn subject() -> Replicated {
        let cluster = SERVERS.get_or_init(|| Cluster::start(3, 1)).await;
        Replicated::new(|| RedisStore::cluster(cluster.urls())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
