//! A shop in a schema of its own, whose transactions have one isolation level.

use std::error::Error as StdError;
use std::fmt;
use std::future::pending;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use idempotent_core::backends::PostgresStore;
use idempotent_core::model::RecordId;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_servers::{Postgres, PostgresVersion};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres as Pg, Transaction};
use tokio::sync::{Notify, OnceCell};

pub(crate) const CHARGE: Operation = Operation::new("shop.charge");

/// Declares each scenario, an `async fn(Shop)`, as a test on every version at these levels.
macro_rules! scenarios {
    (all: $($scenario:ident),+ $(,)?) => {
        scenarios! { @versions all [ReadCommitted read_committed, RepeatableRead repeatable_read,
            Serializable serializable] [$($scenario),+] }
    };
    (read_committed: $($scenario:ident),+ $(,)?) => {
        scenarios! { @versions one [ReadCommitted read_committed] [$($scenario),+] }
    };
    (snapshots: $($scenario:ident),+ $(,)?) => {
        scenarios! { @versions snapshots
            [RepeatableRead repeatable_read, Serializable serializable] [$($scenario),+] }
    };
    (@versions $kind:ident $levels:tt $scenarios:tt) => {
        mod $kind {
            use super::*;
            scenarios! { @levels Distribution postgres_15 $levels $scenarios }
            scenarios! { @levels V18 postgres_18 $levels $scenarios }
        }
    };
    (@levels $version:ident $name:ident [$($level:ident $module:ident),+] $scenarios:tt) => {
        mod $name {
            use super::*;
            $(scenarios! { @tests $version $level $module $scenarios })+
        }
    };
    (@tests $version:ident $level:ident $module:ident [$($scenario:ident),+]) => {
        mod $module {
            use idempotent_servers::{PostgresVersion, require};
            use crate::setup::{Level, Shop};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                require!(PostgresVersion::$version.server());
                let shop = Shop::open(PostgresVersion::$version, Level::$level).await;
                super::$scenario(shop).await;
            })+
        }
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Level {
    fn begin(self) -> &'static str {
        match self {
            Self::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }
}

static POSTGRES_15: OnceCell<Postgres> = OnceCell::const_new();
static POSTGRES_18: OnceCell<Postgres> = OnceCell::const_new();
static SHOPS: AtomicU32 = AtomicU32::new(0);

#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) engine: Idempotency,
    pub(crate) store: PostgresStore,
    pub(crate) pool: PgPool,
    pub(crate) level: Level,
    /// Of its tables, and what its connections are called.
    pub(crate) schema: String,
    pub(crate) server: &'static Postgres,
}

impl Shop {
    pub(crate) async fn open(version: PostgresVersion, level: Level) -> Self {
        let server = match version {
            PostgresVersion::V18 => &POSTGRES_18,
            _ => &POSTGRES_15,
        };
        let start = || async {
            let server = Postgres::builder().version(version).arg("max_connections", "300");
            server.arg("deadlock_timeout", "100ms").start().await
        };
        Self::open_at(server.get_or_init(start).await, level).await
    }

    pub(crate) async fn open_at(server: &'static Postgres, level: Level) -> Self {
        let schema = format!("shop_{}", SHOPS.fetch_add(1, Ordering::Relaxed));
        let options = PgConnectOptions::from_str(&server.url()).unwrap();
        let options = options.application_name(&schema).options([("search_path", schema.as_str())]);
        let pool = PgPoolOptions::new().max_connections(24).connect_with(options).await.unwrap();
        let tables = format!(
            "CREATE SCHEMA {schema}; SET search_path = {schema}; CREATE SEQUENCE runs;
             CREATE TABLE effects (key text NOT NULL, run bigint NOT NULL);
             CREATE TABLE counters (id int PRIMARY KEY, value bigint NOT NULL);
             INSERT INTO counters VALUES (1, 0)"
        );
        server.sql(&tables).await;
        let store = PostgresStore::builder(pool.clone()).schema(schema.as_str());
        // What waits for a lock is not what is tested here, and machines may be loaded.
        let store = store.response_timeout(Duration::from_secs(10)).connect().await.unwrap();
        let engine =
            Idempotency::builder(store.clone()).store_timeout(Duration::from_secs(20)).build();
        Self { engine, store, pool, level, schema, server }
    }

    pub(crate) async fn begin(&self) -> Transaction<'static, Pg> {
        self.pool.begin_with(self.level.begin()).await.unwrap()
    }

    /// A call that takes effect, and says which run of a body it was.
    pub(crate) async fn charge(
        &self,
        tx: &mut PgConnection,
        operation: Operation,
        key: &str,
    ) -> Result<i64, ShopError> {
        let call = operation.key(key).engine(&self.engine).returning::<Result<i64, ShopError>>();
        call.run_in(tx, async |tx| effect(tx, key).await).await
    }

    /// A charge in a transaction of its own.
    pub(crate) async fn charge_and_commit(&self, key: &str) -> Result<i64, ShopError> {
        let mut tx = self.begin().await;
        let run = self.charge(&mut tx, CHARGE, key).await?;
        tx.commit().await?;
        Ok(run)
    }

    pub(crate) fn id(&self, key: &str) -> RecordId {
        self.engine.record_id("shop.charge", None, key).unwrap()
    }

    /// How many effects everybody sees.
    pub(crate) async fn effects(&self) -> i64 {
        self.number("SELECT count(*) FROM effects").await
    }

    /// How often bodies ran, also those that were undone.
    pub(crate) async fn runs(&self) -> i64 {
        self.number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM runs").await
    }

    /// How many records everybody sees.
    pub(crate) async fn records(&self) -> i64 {
        self.number("SELECT count(*) FROM records").await
    }

    pub(crate) async fn number(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.pool).await.unwrap()
    }

    /// Returns once so many of the shop's connections wait for a lock.
    pub(crate) async fn until_waiting(&self, connections: i64) {
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = '{}' AND wait_event_type = 'Lock'",
            self.schema
        );
        for _ in 0..2_000 {
            let rows = self.server.sql(&waiting).await;
            if rows[0][0].as_deref().unwrap().parse::<i64>().unwrap() >= connections {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody waits for a lock");
    }
}

/// What a body does.
pub(crate) async fn effect(tx: &mut PgConnection, key: &str) -> Result<i64, ShopError> {
    let statement = "INSERT INTO effects (key, run) VALUES ($1, nextval('runs')) RETURNING run";
    Ok(sqlx::query_scalar(statement).bind(key).fetch_one(tx).await?)
}

pub(crate) async fn execute(tx: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(tx).await.map(drop)
}

/// A call whose future is dropped after the effect.
pub(crate) async fn dropped_half_way(shop: &Shop, tx: &mut PgConnection, key: &str) {
    let half = Notify::new();
    let call = CHARGE.key(key).engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let running = call.run_in(tx, async |tx| {
        let run = effect(tx, key).await?;
        half.notify_one();
        pending::<()>().await;
        Ok(run)
    });
    tokio::select! {
        result = running => panic!("it ended: {result:?}"),
        () = half.notified() => {}
    }
}

/// Whether a commit was refused since a call within it has not ended.
pub(crate) fn is_unfinished(error: &sqlx::Error) -> bool {
    let constraint = error.as_database_error().and_then(|said| said.constraint());
    constraint == Some("idempotent_call_dropped_half_way")
}

#[derive(Debug)]
pub(crate) enum ShopError {
    Idempotency(Error),
    Database(sqlx::Error),
    Declined,
}

impl ShopError {
    #[track_caller]
    pub(crate) fn refusal(&self) -> &Error {
        match self {
            Self::Idempotency(error) => error,
            other => panic!("this is no refusal: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn kind(&self) -> ErrorKind {
        self.refusal().kind()
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop could not charge")
    }
}

impl StdError for ShopError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Idempotency(error) => Some(error),
            Self::Database(error) => Some(error),
            Self::Declined => None,
        }
    }
}

impl From<Error> for ShopError {
    fn from(error: Error) -> Self {
        Self::Idempotency(error)
    }
}

impl From<sqlx::Error> for ShopError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
