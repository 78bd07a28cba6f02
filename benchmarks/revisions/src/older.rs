//! The older revision, whose API differs from today's.

use std::error::Error;
use std::time::Duration;

use older::store::{MemoryStore, PostgresStore, RedisStore};
use older::{Idempotency, Operation};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const CHARGE: Operation = Operation::new("shop::charge");

pub(crate) struct Older(Idempotency);

impl Older {
    pub(crate) fn in_memory() -> Self {
        Self(Idempotency::new(MemoryStore::new()))
    }

    pub(crate) async fn on_redis(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Idempotency::new(RedisStore::connect(url).await?)))
    }

    pub(crate) async fn on_postgres(url: &str) -> Result<Self, Box<dyn Error>> {
        let builder = PostgresStore::builder(url).response_timeout(Duration::from_secs(10));
        let store = builder.connect().await?;
        store.migrate().await?;
        Ok(Self(Idempotency::new(store)))
    }

    async fn call(&self, key: &str) -> Outcome {
        let call = CHARGE.key(key).store(&self.0).returning::<Result<Receipt, older::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

impl Side for Older {
    fn name(&self) -> &'static str {
        "older revision"
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}
