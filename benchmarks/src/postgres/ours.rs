//! `idempotent-core`, on `PostgresStore` alone and with a near cache.

use std::error::Error;
use std::time::Duration;

use idempotent_core::backends::{NearCache, PostgresStore};
use idempotent_core::{Idempotency, Operation};
use sqlx::PgPool;

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const PATIENCE: Duration = Duration::from_secs(10);

const CHARGE: Operation = Operation::new("shop::charge");
const CHARGE_ALONE: Operation = Operation::new("shop::charge_alone");
/// In the same table, and so with records of its own.
const CHARGE_ON_POOL: Operation = Operation::new("shop::charge_on_pool");

pub(crate) struct Ours {
    name: &'static str,
    operation: Operation,
    engine: Idempotency,
}

impl Ours {
    pub(crate) async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self::new(Idempotency::new(store(url).await?)))
    }

    pub(crate) fn new(engine: Idempotency) -> Self {
        Self { name: "idempotent-core", operation: CHARGE, engine }
    }

    /// On a pool that the application shares with it, the plain statements' own.
    pub(crate) async fn on(pool: PgPool) -> Result<Self, Box<dyn Error>> {
        let store = PostgresStore::builder(pool).response_timeout(PATIENCE).connect().await?;
        let (name, engine) = ("idempotent-core, on a pool", Idempotency::new(store));
        Ok(Self { name, operation: CHARGE_ON_POOL, engine })
    }

    pub(crate) async fn near(url: &str) -> Result<Self, Box<dyn Error>> {
        let store = NearCache::new(store(url).await?);
        let (name, engine) = ("idempotent-core, near", Idempotency::new(store));
        Ok(Self { name, operation: CHARGE, engine })
    }

    /// With groups, or with each step alone.
    pub(crate) async fn grouping(url: &str, is_grouping: bool) -> Result<Self, Box<dyn Error>> {
        let builder = PostgresStore::builder(url).response_timeout(PATIENCE);
        let engine = Idempotency::new(builder.group_commits(is_grouping).connect().await?);
        let (name, operation) = match is_grouping {
            true => ("groups", CHARGE),
            false => ("each step alone", CHARGE_ALONE),
        };
        Ok(Self { name, operation, engine })
    }

    async fn call(&self, key: &str) -> Outcome {
        let call = self
            .operation
            .key(key)
            .engine(&self.engine)
            .returning::<Result<Receipt, idempotent_core::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

pub(crate) async fn store(url: &str) -> Result<PostgresStore, Box<dyn Error>> {
    Ok(PostgresStore::builder(url).response_timeout(PATIENCE).connect().await?)
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
