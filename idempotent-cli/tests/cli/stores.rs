//! The stores that the command is tried on, each with its server.

use std::path::PathBuf;
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::{PostgresStore, RedisStore, SqliteStore};
use idempotent_servers::{Postgres, Redis};
use tempfile::TempDir;

/// How long the stores wait for an answer: longer than a busy machine stalls.
const PATIENCE: Duration = Duration::from_secs(10);

/// A store, and its server for as long as it lives.
pub(crate) struct TestStore {
    pub(crate) url: String,
    pub(crate) engine: Idempotency,
    pub(crate) server: TestServer,
    /// For files of the test.
    pub(crate) folder: TempDir,
}

pub(crate) enum TestServer {
    Redis(Redis),
    Postgres(Postgres, PostgresStore),
    Sqlite,
}

impl TestStore {
    pub(crate) async fn redis() -> Self {
        let redis = Redis::start().await;
        let store = RedisStore::builder(redis.url()).response_timeout(PATIENCE);
        let store = store.connect().await.expect("it connects");
        Self::new(redis.url(), Idempotency::new(store), TestServer::Redis(redis))
    }

    pub(crate) async fn postgres() -> Self {
        let postgres = Postgres::start().await;
        let store = PostgresStore::builder(postgres.url()).response_timeout(PATIENCE);
        let store = store.connect().await.expect("it connects");
        let url = postgres.url();
        let server = TestServer::Postgres(postgres, store.clone());
        Self::new(url, Idempotency::new(store), server)
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("calls.db");
        let store = SqliteStore::builder(&path).response_timeout(PATIENCE);
        let store = store.connect().await.expect("it opens");
        let url = format!("sqlite:{}", path.display());
        Self { url, engine: Idempotency::new(store), server: TestServer::Sqlite, folder }
    }

    fn new(url: String, engine: Idempotency, server: TestServer) -> Self {
        Self { url, engine, server, folder: TempDir::new().expect("a folder") }
    }

    /// A file of the test that is not there yet.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Makes a test for each store of what `$check` does with it.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                idempotent_servers::require!(idempotent_servers::Server::Redis);
                super::$name(crate::stores::TestStore::redis().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                idempotent_servers::require!(idempotent_servers::Server::Postgres);
                super::$name(crate::stores::TestStore::postgres().await).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::stores::TestStore::sqlite().await).await;
            })+
        }
    };
}

pub(crate) use on_every_store;
