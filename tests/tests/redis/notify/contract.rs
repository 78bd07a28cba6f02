//! The store contract over a `NearCache` over Redis, with room and without.

use std::time::Duration;

use idempotent_core::backends::{NearCache, RedisStore};
use idempotent_core::testing::contract::Lapsed;
use idempotent_servers::Redis;
use idempotent_tests::TwoHandles;
use tokio::sync::OnceCell;

/// One server for all cases: each has ids of its own. It ends with this process.
static REDIS: OnceCell<Redis> = OnceCell::const_new();

async fn subject_of(capacity_bytes: u64) -> TwoHandles {
    let redis = REDIS.get_or_init(Redis::start).await;
    TwoHandles::open(Lapsed::Forgotten, async || {
        // As in the contract of the store itself.
        let store = RedisStore::builder(redis.url()).response_timeout(Duration::from_secs(5));
        let store = store.connect().await.expect("it connects");
        NearCache::builder(store).capacity_bytes(capacity_bytes).build()
    })
    .await
}

mod with_room {
    idempotent_core::testing::contract_tests! { super::subject_of(64 * 1024 * 1024).await }
}

mod without_room {
    idempotent_core::testing::contract_tests! { super::subject_of(0).await }
}
