//! A file of a test's own, and the ways to it: a store, and a connection that goes around the store.

use std::path::PathBuf;
use std::time::Duration;

use idempotent_core::backends::{SqliteStore, SqliteStoreBuilder};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection, SqlitePool};
use tempfile::TempDir;

/// How long a question may take where a test waits for that to be over.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);

/// On a loaded machine.
pub(crate) const SLACK: Duration = Duration::from_secs(10);

/// A folder with a file, which goes with it.
pub(crate) struct Database(TempDir);

impl Database {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("calls.db")
    }

    pub(crate) fn builder(&self) -> SqliteStoreBuilder {
        SqliteStore::builder(self.file())
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        self.builder().response_timeout(Duration::from_secs(10)).connect().await.unwrap()
    }

    /// A store that gives up soon. To make the file waits for the disk, which may take longer.
    pub(crate) async fn impatient(&self) -> SqliteStore {
        let builder = self.builder().response_timeout(TIMEOUT);
        builder.connect_with_retry(Duration::from_secs(20)).await.unwrap()
    }

    pub(crate) fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(self.file()).busy_timeout(Duration::from_secs(10))
    }

    /// A pool of the application's, of so many connections.
    pub(crate) fn pool(&self, connections: u32, options: SqliteConnectOptions) -> SqlitePool {
        SqlitePoolOptions::new().max_connections(connections).connect_lazy_with(options)
    }

    /// A connection of somebody else's.
    pub(crate) async fn aside(&self) -> SqliteConnection {
        self.options().connect().await.unwrap()
    }

    /// Runs statements around the store.
    pub(crate) async fn run(&self, sql: &str) {
        let mut aside = self.aside().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut aside).await.unwrap();
    }

    /// The first row of an answer.
    pub(crate) async fn row(&self, sql: &str) -> SqliteRow {
        let mut aside = self.aside().await;
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut aside).await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.row(sql).await.get(0)
    }

    pub(crate) async fn text(&self, sql: &str) -> String {
        self.row(sql).await.get(0)
    }

    pub(crate) async fn rows(&self) -> i64 {
        self.number("SELECT count(*) FROM idempotent_records").await
    }
}
