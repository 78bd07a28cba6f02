//! The file: how a store's own connections open it, and what is asked of it before anything else.

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Error, Row as _, Sqlite, SqliteConnection, SqlitePool};
use tokio::time::{sleep, timeout};

use super::error::{is_busy, store_error, timed_out};
use super::names::Names;
use super::schema;
use crate::store::{StoreError, StoreErrorKind};

/// The log of changes is cut back to this size once its changes are in the file.
const LOG_BYTES: &str = "67108864";

/// A change of the journal's mode cannot be waited for in `SQLite`.
const PAUSE: Duration = Duration::from_millis(10);

const FILE: &str = "SELECT file FROM pragma_database_list WHERE name = 'main'";

/// How a store's own connections open a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) max_connections: u32,
    pub(super) synchronous: SqliteSynchronous,
    pub(super) timeout: Duration,
}

/// Whose connections these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Store,
    Application,
}

/// A pool of the store's own. Nothing is opened yet.
pub(super) fn pool(path: &Path, opening: Opening) -> Result<SqlitePool, StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(forgets());
    }
    let flushes = !matches!(opening.synchronous, SqliteSynchronous::Off);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(opening.timeout)
        .synchronous(opening.synchronous)
        // Only macOS knows this, and without it keeps what was flushed in the disk's own memory.
        .pragma("fullfsync", if flushes { "ON" } else { "OFF" })
        .pragma("journal_size_limit", LOG_BYTES)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(opening.max_connections.max(1))
        .acquire_timeout(opening.timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options);
    Ok(pool)
}

/// Makes a file ready: its log, its tables.
pub(super) async fn prepare(
    pool: &SqlitePool,
    owner: Owner,
    names: &Names,
    within: Duration,
) -> Result<(), StoreError> {
    let prepared = timeout(within, async {
        let mut connection: PoolConnection<Sqlite> = pool.acquire().await?;
        if file(&mut connection).await?.is_empty() {
            return Ok(None);
        }
        match owner {
            Owner::Store => write_ahead(&mut connection).await?,
            Owner::Application => look_at_settings(&mut connection).await?,
        }
        schema::migrate(&mut connection, names).await.map(Some)
    });
    match prepared.await.unwrap_or_else(|_| Err(timed_out())).map_err(store_error)? {
        None => Err(forgets()),
        Some(version) if version > schema::newest() => Err(StoreError::new(
            StoreErrorKind::Unavailable,
            format!(
                "the tables are of version {version}, made by a newer release: this one knows \
                 version {}",
                schema::newest()
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// The path of the open file; empty if there is none.
async fn file(connection: &mut SqliteConnection) -> Result<String, Error> {
    let path: Option<String> = sqlx::query(FILE).fetch_one(connection).await?.try_get(0)?;
    Ok(path.unwrap_or_default())
}

/// Readers and a writer do not wait for each other, and a commit writes to one place.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), Error> {
    let mut mode = journal_mode(connection, "PRAGMA journal_mode").await?;
    while mode != "wal" {
        match journal_mode(connection, "PRAGMA journal_mode = WAL").await {
            Ok(got) if got == "wal" => mode = got,
            Ok(got) => {
                tracing::warn!(
                    mode = got,
                    "sqlite keeps no write-ahead log for this file: calls wait for each other longer"
                );
                break;
            }
            Err(error) if is_busy(&error) => sleep(PAUSE).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn journal_mode(
    connection: &mut SqliteConnection,
    pragma: &'static str,
) -> Result<String, Error> {
    sqlx::query(pragma).fetch_one(connection).await?.try_get(0)
}

/// The application chose how its connections open the file.
async fn look_at_settings(connection: &mut SqliteConnection) -> Result<(), Error> {
    let synchronous: i64 =
        sqlx::query("PRAGMA synchronous").fetch_one(connection).await?.try_get(0)?;
    if synchronous == 0 {
        tracing::warn!(
            "the pool's connections have `synchronous` off: a power cut may damage the file"
        );
    }
    Ok(())
}

fn forgets() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "a database without a file keeps nothing: `MemoryStore` is the store of one process",
    )
}
