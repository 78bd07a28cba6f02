//! `idempotent-core`, on `RedisStore` alone and with a near cache.

use std::error::Error;

use idempotent_core::backends::{NearCache, RedisStore};
use idempotent_core::{Idempotency, Operation};
use redis::Client;
use tokio::sync::OnceCell;

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const CHARGE: Operation = Operation::new("shop::charge");

/// Of a near cache, with any number of tasks.
const PACE_OF_MEMORY: u64 = 8;

pub(crate) struct Ours {
    name: &'static str,
    /// `None`: the installed one.
    engine: Option<Idempotency>,
    pace: u64,
}

impl Ours {
    /// On sockets that are set as the client's are.
    pub(crate) async fn connect(client: &Client) -> Result<Self, Box<dyn Error>> {
        let engine = Idempotency::new(store(client).await?);
        Ok(Self { name: "idempotent-core", engine: Some(engine), pace: 1 })
    }

    pub(crate) async fn near(client: &Client) -> Result<Self, Box<dyn Error>> {
        Ok(Self::of_memory(Some(near_engine(client).await?)))
    }

    /// With a near cache on the process's engine, which is installed at the first use and lives on the
    /// runtime of then.
    pub(crate) async fn installed(client: &Client) -> Result<Self, Box<dyn Error>> {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let install = async || -> Result<(), Box<dyn Error>> {
            Ok(idempotent_core::install(near_engine(client).await?)?)
        };
        INSTALLED.get_or_try_init(install).await?;
        Ok(Self::of_memory(None))
    }

    fn of_memory(engine: Option<Idempotency>) -> Self {
        Self { name: "idempotent-core, near", engine, pace: PACE_OF_MEMORY }
    }

    async fn call(&self, key: &str) -> Outcome {
        let call = match &self.engine {
            Some(engine) => CHARGE.key(key).engine(engine),
            None => CHARGE.key(key),
        };
        let call = call.returning::<Result<Receipt, idempotent_core::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

async fn store(client: &Client) -> Result<RedisStore, Box<dyn Error>> {
    Ok(RedisStore::builder(client.clone()).connect().await?)
}

async fn near_engine(client: &Client) -> Result<Idempotency, Box<dyn Error>> {
    Ok(Idempotency::new(NearCache::new(store(client).await?)))
}

impl Side for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pace(&self) -> u64 {
        self.pace
    }

    async fn execute(&self, key: &str) -> Outcome {
        self.call(key).await
    }

    async fn replay(&self, key: &str) -> Outcome {
        self.call(key).await
    }
}
