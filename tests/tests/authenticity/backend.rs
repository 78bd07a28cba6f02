//! A real store, and the way around it that somebody has who can write to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::backends::{PostgresStore, RedisStore, SqliteStore};
use idempotent_core::model::Record;
use idempotent_core::store::Store;
use idempotent_core::{Idempotency, IdempotencyBuilder};
use idempotent_servers::{Postgres, Redis};
use redis::aio::MultiplexedConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};
use tempfile::TempDir;

pub(crate) const SECRET: [u8; 32] = [7; 32];

/// How long stores wait for an answer: longer than a busy machine stalls.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Declares each scenario, an `async fn(Backend)`, as a test on every kind of store.
macro_rules! scenarios {
    ($($scenario:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test]
            async fn $scenario() {
                idempotent_servers::require!(idempotent_servers::Server::Redis);
                super::$scenario(crate::backend::Backend::redis().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $scenario() {
                idempotent_servers::require!(idempotent_servers::Server::Postgres);
                super::$scenario(crate::backend::Backend::postgres().await).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(crate::backend::Backend::sqlite().await).await;
            })+
        }
    };
}
pub(crate) use scenarios;

pub(crate) struct Backend {
    pub(crate) store: Arc<dyn Store>,
    raw: Raw,
    /// Lives as long as the store.
    _server: Server,
}

enum Server {
    Redis { _server: Redis },
    Postgres { _server: Postgres },
    Sqlite { _folder: TempDir },
}

/// The way around the store.
enum Raw {
    Redis(MultiplexedConnection),
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Backend {
    pub(crate) async fn redis() -> Self {
        let server = Redis::start().await;
        let store = RedisStore::builder(server.url()).response_timeout(PATIENCE);
        let store = Arc::new(store.connect().await.unwrap());
        let client = redis::Client::open(server.url()).unwrap();
        // Its own limit is half a second.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let raw = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let raw = Raw::Redis(raw);
        Self { store, raw, _server: Server::Redis { _server: server } }
    }

    pub(crate) async fn postgres() -> Self {
        let server = Postgres::start().await;
        let store = PostgresStore::builder(server.url()).response_timeout(PATIENCE);
        let store = store.connect().await.unwrap();
        store.migrate().await.unwrap();
        let raw = PgPoolOptions::new().max_connections(2).connect(&server.url()).await.unwrap();
        let raw = Raw::Postgres(raw);
        Self { store: Arc::new(store), raw, _server: Server::Postgres { _server: server } }
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("calls.db");
        let store = SqliteStore::builder(&file).response_timeout(PATIENCE);
        let store = Arc::new(store.connect().await.unwrap());
        let raw = Raw::Sqlite(pool(&file));
        Self { store, raw, _server: Server::Sqlite { _folder: folder } }
    }

    /// An engine of the fleet.
    pub(crate) fn engine(&self) -> Idempotency {
        self.builder().secret(SECRET).build()
    }

    pub(crate) fn builder(&self) -> IdempotencyBuilder {
        Idempotency::builder(Arc::clone(&self.store))
    }

    pub(crate) fn postgres_pool(&self) -> &PgPool {
        match &self.raw {
            Raw::Postgres(pool) => pool,
            _ => panic!("this is not PostgreSQL"),
        }
    }

    pub(crate) fn sqlite_pool(&self) -> &SqlitePool {
        match &self.raw {
            Raw::Sqlite(pool) => pool,
            _ => panic!("this is not SQLite"),
        }
    }

    /// The stored bytes of the call with this key.
    pub(crate) async fn bytes(&self, key: &str) -> Vec<u8> {
        self.find(key).await.1
    }

    /// Writes over the stored bytes of the call with this key, and touches nothing else.
    pub(crate) async fn overwrite(&self, key: &str, bytes: &[u8]) {
        self.put(&self.place(key).await, bytes).await;
    }

    /// Where the store keeps the record of the call with this key.
    pub(crate) async fn place(&self, key: &str) -> Vec<u8> {
        self.find(key).await.0
    }

    /// Writes over the bytes of one place.
    pub(crate) async fn put(&self, at: &[u8], bytes: &[u8]) {
        match &self.raw {
            Raw::Redis(connection) => {
                let mut set = redis::cmd("SET");
                set.arg(at).arg(bytes).arg("KEEPTTL");
                set.exec_async(&mut connection.clone()).await.unwrap();
            }
            Raw::Postgres(pool) => {
                let update = "UPDATE idempotent.records SET record = $2 WHERE id = $1";
                sqlx::query(update).bind(at).bind(bytes).execute(pool).await.unwrap();
            }
            Raw::Sqlite(pool) => {
                let update = "UPDATE idempotent_records SET record = ?2 WHERE id = ?1";
                sqlx::query(update).bind(at).bind(bytes).execute(pool).await.unwrap();
            }
        }
    }

    async fn find(&self, key: &str) -> (Vec<u8>, Vec<u8>) {
        let all: Vec<(Vec<u8>, Vec<u8>)> = match &self.raw {
            Raw::Redis(connection) => {
                let mut connection = connection.clone();
                let mut keys = redis::cmd("KEYS");
                let keys: Vec<Vec<u8>> = keys.arg("*").query_async(&mut connection).await.unwrap();
                let mut all = Vec::new();
                for key in keys {
                    let value = redis::cmd("GET").arg(&key).query_async(&mut connection).await;
                    all.push((key, value.unwrap()));
                }
                all
            }
            Raw::Postgres(pool) => {
                let all = sqlx::query_as("SELECT id, record FROM idempotent.records");
                all.fetch_all(pool).await.unwrap()
            }
            Raw::Sqlite(pool) => {
                let all = sqlx::query_as("SELECT id, record FROM idempotent_records");
                all.fetch_all(pool).await.unwrap()
            }
        };
        let is_its =
            |bytes: &[u8]| Record::from_bytes(bytes).is_ok_and(|record| record.key() == Some(key));
        all.into_iter().find(|(_, bytes)| is_its(bytes)).unwrap()
    }
}

pub(crate) fn pool(file: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(file);
    let options = options.busy_timeout(PATIENCE);
    SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options)
}
