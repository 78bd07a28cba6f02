//! The contract of every store, on each kind of server. The cases of a kind share one server.

use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore, RedisStoreBuilder};
use idempotent_core::model::RecordId;
use idempotent_core::testing::contract::Lapsed;
use idempotent_servers::{Redis, Reply};
use idempotent_tests::TwoHandles;
use tokio::sync::OnceCell;

/// Two handles to one kind of server.
async fn subject_of(builder: impl Fn() -> RedisStoreBuilder) -> TwoHandles {
    TwoHandles::open(Lapsed::Forgotten, async || {
        // Loaded machines are slow; what is bounded in time is tested elsewhere.
        builder().response_timeout(Duration::from_secs(5)).connect().await.unwrap()
    })
    .await
}

/// The same, on one server, whose records can be broken.
async fn garbled_subject_of(
    server: &'static Redis,
    builder: impl Fn() -> RedisStoreBuilder,
) -> TwoHandles {
    let garble = move |id: RecordId| async move {
        let Reply::Array(keys) = server.cli(&["KEYS", &format!("*{}:*", id.operation())]).await
        else {
            panic!("no keys")
        };
        let found = keys.iter().filter_map(Reply::text).find(|key| key.ends_with(&hash_of(&id)));
        assert!(!server.cli(&["SET", found.unwrap(), "garbage", "KEEPTTL"]).await.is_error());
    };
    subject_of(builder).await.garbled_by(garble)
}

/// The end of a record's key.
fn hash_of(id: &RecordId) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.hash())
}

mod redis_7_0 {
    use super::*;

    static SERVER: OnceCell<Redis> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let server = SERVER.get_or_init(Redis::start).await;
        garbled_subject_of(server, || RedisStore::builder(server.url())).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

/// Which compares before it sets, and not before it deletes.
mod valkey_8_1 {
    use idempotent_servers::{Flavor, Redis};

    use super::*;

    static SERVER: OnceCell<Redis> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let start = || Redis::builder().flavor(Flavor::Valkey81).start();
        let server = SERVER.get_or_init(start).await;
        subject_of(|| RedisStore::builder(server.url())).await
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

        async fn subject() -> TwoHandles {
            let builder = builder().await.scripts_only();
            subject_of(|| builder.clone()).await
        }

        idempotent_core::testing::contract_tests! { subject().await }
    }

    mod by_ifeq {
        use super::*;

        async fn subject() -> TwoHandles {
            let builder = builder().await;
            subject_of(|| builder.clone()).await
        }

        idempotent_core::testing::contract_tests! { subject().await }
    }
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

mod sentinel {
    use idempotent_servers::Sentinel;

    use super::*;

    static SERVERS: OnceCell<Sentinel> = OnceCell::const_new();

    async fn subject() -> TwoHandles {
        let group = SERVERS.get_or_init(|| Sentinel::start(2, 3)).await;
        subject_of(|| {
            RedisStore::builder(RedisSource::sentinel(group.sentinel_urls(), group.master_name()))
        })
        .await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
