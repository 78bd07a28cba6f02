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
    let subject = TwoHandles::open(Lapsed::Forgotten, async || {
        let store = RedisStore::connect(redis.url()).await.expect("it connects");
        NearCache::builder(store).capacity_bytes(capacity_bytes).build()
    });
    subject.await.times(Duration::from_millis(400), Duration::from_millis(200))
}

mod with_room {
    idempotent_core::testing::contract_tests! { super::subject_of(64 * 1024 * 1024).await }
}

mod without_room {
    idempotent_core::testing::contract_tests! { super::subject_of(0).await }
}
