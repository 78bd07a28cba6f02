//! The contract of every store: on two handles of one file, as two processes have them, and on pools
//! of an application that keeps no write-ahead log. Neither waits for the disk, which may take longer
//! than the leases here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::store::{SqliteStore, SqliteStoreBuilder, Store};
use idempotent_core::testing::contract::{Lapsed, Subject};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tempfile::TempDir;

/// Two handles to one file.
struct OnOneFile {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
    _folder: TempDir,
}

impl OnOneFile {
    async fn new(builder: impl Fn(&Path) -> SqliteStoreBuilder) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("calls.db");
        let connect = || async {
            // Loaded machines are slow; what is bounded in time is tested elsewhere.
            let store = builder(&file).response_timeout(Duration::from_secs(10)).connect().await;
            Arc::new(store.unwrap())
        };
        Self { store: connect().await, other: connect().await, _folder: folder }
    }
}

#[async_trait]
impl Subject for OnOneFile {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn other_handle(&self) -> Arc<dyn Store> {
        self.other.clone()
    }

    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn tolerance(&self) -> Duration {
        Duration::from_millis(400)
    }

    fn lapsed(&self) -> Lapsed {
        Lapsed::Kept
    }
}

mod a_file {
    use super::*;

    async fn subject() -> OnOneFile {
        OnOneFile::new(|file| SqliteStore::builder(file).synchronous(SqliteSynchronous::Off)).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod a_pool_without_a_write_ahead_log {
    use super::*;

    async fn subject() -> OnOneFile {
        OnOneFile::new(|file| {
            let options = SqliteConnectOptions::new()
                .filename(file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Delete)
                .synchronous(SqliteSynchronous::Off);
            let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
            SqliteStore::from_pool(pool).table("calls")
        })
        .await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
