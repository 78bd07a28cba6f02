//! `idempotent-core`, on `RedisStore` alone and with a near cache.

use std::error::Error;

use idempotent_core::store::{NearCache, RedisStore};
use idempotent_core::{Idempotency, Operation};
use redis::Client;
use tokio::sync::OnceCell;

use crate::receipt::{Receipt, receipt};
use crate::side::{Outcome, Side};

const CHARGE: Operation = Operation::new("shop::charge");

pub(crate) struct Ours {
    name: &'static str,
    /// `None`: the installed one.
    engine: Option<Idempotency>,
}

impl Ours {
    /// Of a client, so that its sockets are set as those of the other sides are.
    pub(crate) async fn of_client(url: &str) -> Result<Self, Box<dyn Error>> {
        let store = RedisStore::from_client(Client::open(url)?).connect().await?;
        Ok(Self { name: "idempotent-core", engine: Some(Idempotency::new(store)) })
    }

    /// Of a URL, which sets `TCP_NODELAY`; with records of its own.
    pub(crate) async fn of_url(url: &str) -> Result<Self, Box<dyn Error>> {
        let store = RedisStore::builder(url).prefix("of-url:").connect().await?;
        Ok(Self { name: "… of a URL, no delay", engine: Some(Idempotency::new(store)) })
    }

    pub(crate) async fn near(url: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self { name: "idempotent-core, near", engine: Some(near_engine(url).await?) })
    }

    /// With a near cache on the process's engine, which is installed at the first use and lives on the
    /// runtime of then.
    pub(crate) async fn installed(url: &str) -> Result<Self, Box<dyn Error>> {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let install = async || -> Result<(), Box<dyn Error>> {
            Ok(idempotent_core::install(near_engine(url).await?)?)
        };
        INSTALLED.get_or_try_init(install).await?;
        Ok(Self { name: "idempotent-core, near", engine: None })
    }

    async fn call(&self, key: &str) -> Outcome {
        let call = match &self.engine {
            Some(engine) => CHARGE.key(key).store(engine),
            None => CHARGE.key(key),
        };
        let call = call.returning::<Result<Receipt, idempotent_core::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

async fn near_engine(url: &str) -> Result<Idempotency, Box<dyn Error>> {
    Ok(Idempotency::new(NearCache::new(RedisStore::connect(url).await?)))
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
