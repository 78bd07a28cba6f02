//! This revision.

use std::error::Error;
use std::time::Duration;

use idempotent_core::backends::{MemoryStore, PostgresStore, RedisStore};
use idempotent_core::{Idempotency, Operation};

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const CHARGE: Operation = Operation::new("shop::charge");

pub(crate) struct Current(Idempotency);

impl Current {
    pub(crate) fn in_memory() -> Self {
        Self(Idempotency::new(MemoryStore::new()))
    }

    pub(crate) async fn on_redis(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Idempotency::new(RedisStore::connect(url).await?)))
    }

    pub(crate) async fn on_postgres(url: &str) -> Result<Self, Box<dyn Error>> {
        let builder = PostgresStore::builder(url).response_timeout(Duration::from_secs(10));
        let store = builder.connect().await?;
        Ok(Self(Idempotency::new(store)))
    }

    async fn call(&self, key: &str) -> Outcome {
        let call =
            CHARGE.key(key).engine(&self.0).returning::<Result<Receipt, idempotent_core::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

impl Side for Current {
    fn name(&self) -> &'static str {
        "this revision"
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}
