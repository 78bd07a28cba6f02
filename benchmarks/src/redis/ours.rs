//! `idempotent-core`, on `RedisStore` alone and with a near cache.

use std::error::Error;

use idempotent_core::store::{NearCache, RedisStore};
use idempotent_core::{Idempotency, Operation};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const CHARGE: Operation = Operation::new("shop::charge");

pub(crate) struct Ours {
    name: &'static str,
    engine: Idempotency,
}

impl Ours {
    pub(crate) async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        let store = RedisStore::connect(url).await?;
        Ok(Self { name: "idempotent-core", engine: Idempotency::new(store) })
    }

    pub(crate) async fn near(url: &str) -> Result<Self, Box<dyn Error>> {
        let store = NearCache::new(RedisStore::connect(url).await?);
        Ok(Self { name: "idempotent-core, near", engine: Idempotency::new(store) })
    }

    async fn call(&self, key: &str) -> Outcome {
        let call = CHARGE
            .key(key)
            .store(&self.engine)
            .returning::<Result<Receipt, idempotent_core::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

impl Side for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}
