//! The contract of every store, also where replicas have to acknowledge.

use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore, RedisStoreBuilder};
use idempotent_core::testing::contract::Lapsed;
use idempotent_tests::TwoHandles;
use tokio::sync::OnceCell;

use super::replica_group::ReplicaGroup;

/// Wide: what is bounded in time is tested elsewhere, and loaded machines are slow.
const WITHIN: Duration = Duration::from_secs(3);

/// Two handles to one kind of servers.
async fn subject_of(builder: impl Fn() -> RedisStoreBuilder) -> TwoHandles {
    TwoHandles::open(Lapsed::Forgotten, async || {
        let builder = builder().min_replicas(1, WITHIN);
        builder.response_timeout(Duration::from_secs(5)).connect().await.unwrap()
    })
    .await
}

mod by_script {
    use super::*;

    static GROUP: OnceCell<ReplicaGroup> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let group = GROUP.get_or_init(|| ReplicaGroup::start(1)).await;
        subject_of(|| RedisStore::builder(group.primary.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod by_ifeq {
    use idempotent_servers::Flavor;

    use super::*;

    static GROUP: OnceCell<ReplicaGroup> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let group = GROUP.get_or_init(|| ReplicaGroup::of(Flavor::Valkey91, 1)).await;
        subject_of(|| RedisStore::builder(group.primary.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod cluster {
    use idempotent_servers::Cluster;

    use super::*;

    static SERVERS: OnceCell<Cluster> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        // Nothing is meant to fail over here, however long the machine stands still.
        let cluster = || Cluster::builder(3, 1).node_timeout(Duration::from_secs(15)).start();
        let cluster = SERVERS.get_or_init(cluster).await;
        subject_of(|| RedisStore::builder(RedisSource::cluster(cluster.urls()))).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
