//! The store contract over a `NearCache` over Redis, with room and without.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::store::{NearCache, RedisStore};
use idempotent_core::testing::contract::{Lapsed, Subject};
use idempotent_servers::Redis;
use tokio::sync::OnceCell;

/// One server for all cases: each has ids of its own. It ends with this process.
static REDIS: OnceCell<Redis> = OnceCell::const_new();

struct Cached {
    one: NearCache<RedisStore>,
    other: NearCache<RedisStore>,
}

impl Cached {
    async fn new(capacity_bytes: u64) -> Self {
        let redis = REDIS.get_or_init(Redis::start).await;
        let near = async || {
            let store = RedisStore::connect(redis.url()).await.expect("it connects");
            NearCache::builder(store).capacity_bytes(capacity_bytes).build()
        };
        let (one, other) = (near().await, near().await);
        Self { one, other }
    }
}

#[async_trait::async_trait]
impl Subject for Cached {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.one.clone())
    }

    fn other_handle(&self) -> Arc<dyn Store> {
        Arc::new(self.other.clone())
    }

    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(400)
    }

    fn tolerance(&self) -> Duration {
        Duration::from_millis(200)
    }

    fn lapsed(&self) -> Lapsed {
        Lapsed::Forgotten
    }
}

mod with_room {
    idempotent_core::testing::contract_tests! { super::Cached::new(64 * 1024 * 1024).await }
}

mod without_room {
    idempotent_core::testing::contract_tests! { super::Cached::new(0).await }
}
