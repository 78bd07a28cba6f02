//! The contract of every store: on two handles of one file, as two processes have them, and on pools
//! of an application that keeps no write-ahead log. Neither waits for the disk, which may take longer
//! than the leases here.

use std::path::Path;
use std::time::Duration;

use idempotent_core::backends::{SqliteStore, SqliteStoreBuilder};
use idempotent_core::model::RecordId;
use idempotent_core::testing::contract::Lapsed;
use idempotent_tests::TwoHandles;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tempfile::TempDir;

/// Loaded machines are slow; what is bounded in time is tested elsewhere.
const SLOW: Duration = Duration::from_secs(10);

/// Two handles to one file.
async fn subject_of(
    table: &'static str,
    builder: impl Fn(&Path) -> SqliteStoreBuilder,
) -> TwoHandles {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.db");
    let subject = TwoHandles::open(Lapsed::Kept, async || {
        builder(&file).response_timeout(SLOW).connect().await.unwrap()
    });
    let path = file.clone();
    let garble = move |id: RecordId| {
        let options = SqliteConnectOptions::new().filename(&path).busy_timeout(SLOW);
        async move {
            let sql = format!("UPDATE \"{table}\" SET record = x'00ff' WHERE id = ?1");
            let mut aside = options.connect().await.unwrap();
            let garbled = sqlx::query(AssertSqlSafe(sql)).bind(id.hash().to_vec());
            assert_eq!(garbled.execute(&mut aside).await.unwrap().rows_affected(), 1);
        }
    };
    subject.await.keep(folder).garbled_by(garble)
}

mod a_file {
    use super::*;

    async fn subject() -> TwoHandles {
        let table = "idempotent_records";
        subject_of(table, |file| SqliteStore::builder(file).synchronous(SqliteSynchronous::Off))
            .await
    }

    idempotent_core::testing::contract_tests! { subject().await }
}

mod a_pool_without_a_write_ahead_log {
    use super::*;

    async fn subject() -> TwoHandles {
        subject_of("calls", |file| {
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
