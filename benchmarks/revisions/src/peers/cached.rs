//! The crate `cached`: in memory one caller a key runs at a time, on Redis nothing is reserved.

use std::error::Error;
use std::time::Duration;

use cached::macros::cached;
use cached::{AsyncRedisCache, ConcurrentCachedAsync};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

#[cached(ttl_secs = 86_400, sync_writes = "by_key", key = "String", convert = { key.to_owned() })]
async fn charge(key: &str) -> Receipt {
    std::hint::black_box(key);
    receipt()
}

pub(crate) struct Cached;

impl Side for Cached {
    fn name(&self) -> &'static str {
        "cached 4.1"
    }

    async fn execute(&self, key: &str) -> Outcome {
        std::hint::black_box(charge(key).await);
        Ok(())
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.execute(key).await
    }
}

pub(crate) struct CachedOnRedis(AsyncRedisCache<String, Receipt>);

impl CachedOnRedis {
    pub(crate) async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        let cache = AsyncRedisCache::builder("cached").ttl(Duration::from_secs(86_400));
        Ok(Self(cache.connection_string(url).build().await?))
    }
}

impl Side for CachedOnRedis {
    fn name(&self) -> &'static str {
        "cached 4.1"
    }

    async fn execute(&self, key: &str) -> Outcome {
        let key = key.to_owned();
        if let Some(receipt) = self.0.async_cache_get(&key).await? {
            std::hint::black_box(receipt);
            return Ok(());
        }
        let receipt = receipt();
        self.0.async_cache_set(key, receipt.clone()).await?;
        std::hint::black_box(receipt);
        Ok(())
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.execute(key).await
    }
}
