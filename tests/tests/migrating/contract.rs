//! The store contract, in every mode: over two embedded stores, and over real ones.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::{MemoryStore, Migrating, MigrationMode, PostgresStore, RedisStore};
use idempotent_core::testing::ManualClock;
use idempotent_core::testing::contract::{Lapsed, Subject};
use idempotent_servers::{Postgres, Redis};
use idempotent_tests::{TwoHandles, secs};
use tokio::sync::OnceCell;

struct Embedded {
    old: MemoryStore,
    new: MemoryStore,
    clock: ManualClock,
    mode: MigrationMode,
}

impl Embedded {
    fn new(mode: MigrationMode) -> Self {
        let clock = ManualClock::new();
        let store = || MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        Self { old: store(), new: store(), clock, mode }
    }
}

#[async_trait::async_trait]
impl Subject for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Migrating::new(self.old.clone(), self.new.clone(), self.mode))
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sweeps go with new reservations.
    fn lapsed(&self) -> Lapsed {
        Lapsed::Either
    }

    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let store = |max| {
            let clock = Arc::new(self.clock.clone());
            MemoryStore::builder().clock(clock).max_unfinished(max).build()
        };
        let (old, new) = match self.mode {
            MigrationMode::Both => (store(reservations * 4), store(reservations)),
            _ => (store(reservations), store(reservations)),
        };
        Some(Arc::new(Migrating::new(old, new, self.mode)))
    }
}

mod old {
    idempotent_core::testing::contract_tests! {
        super::Embedded::new(idempotent_core::backends::MigrationMode::Old)
    }
}

mod both {
    idempotent_core::testing::contract_tests! {
        super::Embedded::new(idempotent_core::backends::MigrationMode::Both)
    }
}

mod new {
    idempotent_core::testing::contract_tests! {
        super::Embedded::new(idempotent_core::backends::MigrationMode::New)
    }
}

static REDIS: OnceCell<Redis> = OnceCell::const_new();
static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();

async fn redis(server: &Redis) -> RedisStore {
    RedisStore::builder(server.url()).response_timeout(secs(5)).connect().await.unwrap()
}

async fn postgres(server: &Postgres) -> PostgresStore {
    let builder = PostgresStore::builder(server.url()).response_timeout(secs(10));
    let store = builder.max_connections(4).connect().await.unwrap();
    store.migrate().await.unwrap();
    store
}

async fn servers() -> (&'static Redis, &'static Postgres) {
    let start = || Postgres::builder().arg("max_connections", "900").start();
    (REDIS.get_or_init(Redis::start).await, POSTGRES.get_or_init(start).await)
}

async fn from_redis(mode: MigrationMode) -> TwoHandles {
    let (from, to) = servers().await;
    TwoHandles::open(Lapsed::Either, async || {
        Migrating::new(redis(from).await, postgres(to).await, mode)
    })
    .await
}

async fn from_postgres(mode: MigrationMode) -> TwoHandles {
    let (to, from) = servers().await;
    TwoHandles::open(Lapsed::Either, async || {
        Migrating::new(postgres(from).await, redis(to).await, mode)
    })
    .await
}

mod redis_and_then_postgres {
    idempotent_core::testing::contract_tests! {
        super::from_redis(idempotent_core::backends::MigrationMode::Both).await
    }
}

mod postgres_after_redis {
    idempotent_core::testing::contract_tests! {
        #[ignore = "the other pair of the two is enough for every run, and this takes two minutes"]
        super::from_redis(idempotent_core::backends::MigrationMode::New).await
    }
}

mod postgres_and_then_redis {
    idempotent_core::testing::contract_tests! {
        #[ignore = "the other pair of the two is enough for every run, and this takes two minutes"]
        super::from_postgres(idempotent_core::backends::MigrationMode::Both).await
    }
}

mod redis_after_postgres {
    idempotent_core::testing::contract_tests! {
        super::from_postgres(idempotent_core::backends::MigrationMode::New).await
    }
}
