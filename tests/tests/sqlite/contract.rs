//! The contract of every store: on two handles of one file, as two processes have them, and on pools
//! of an application that keeps no write-ahead log. Neither waits for the disk, which may take longer
//! than the leases here.

use std::path::Path;
use std::time::Duration;

use idempotent_core::backends::{SqliteStore, SqliteStoreBuilder};
use idempotent_core::testing::contract::Lapsed;
use idempotent_tests::TwoHandles;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tempfile::TempDir;

/// Two handles to one file.
async fn subject_of(builder: impl Fn(&Path) -> SqliteStoreBuilder) -> TwoHandles {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.db");
    let subject = TwoHandles::open(Lapsed::Kept, async || {
        // Loaded machines are slow; what is bounded in time is tested elsewhere.
        builder(&file).response_timeout(Duration::from_secs(10)).connect().await.unwrap()
    });
    subject.await.keep(folder)
}

mod a_file {
    use super::*;

    async fn subject() -> TwoHandles {
        subject_of(|file| SqliteStore::builder(file).synchronous(SqliteSynchronous::Off)).await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod a_pool_without_a_write_ahead_log {
    use super::*;

    async fn subject() -> TwoHandles {
        subject_of(|file| {
            let options = SqliteConnectOptions::new()
                .filename(file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Delete)
                .synchronous(SqliteSynchronous::Off);
            let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
            SqliteStore::builder(pool).table("calls")
        })
        .await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}
