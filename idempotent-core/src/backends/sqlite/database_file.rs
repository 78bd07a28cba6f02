//! Opening the file: its connections, its log, its tables.

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Error, Row as _, Sqlite, SqliteConnection, SqlitePool};
use tokio::time::{sleep, timeout};

use super::error::{is_busy, store_error, timed_out};
use super::schema;
use super::source::{SourceKind, SqliteSource};
use super::table_names::TableNames;
use crate::backends::shared::sql::schema_missing;
use crate::store::{StoreError, StoreErrorKind};

/// The write-ahead log is truncated to this size after a checkpoint.
const LOG_BYTES: &str = "67108864";

/// `SQLite` itself does not wait for a change of the journal's mode.
const PAUSE: Duration = Duration::from_millis(10);

const FILE: &str = "SELECT file FROM pragma_database_list WHERE name = 'main'";

/// How to open a file on connections of the store's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) max_connections: u32,
    pub(super) synchronous: SqliteSynchronous,
    /// Whether to create a file that does not exist.
    pub(super) create: bool,
    pub(super) timeout: Duration,
}

/// Who closes the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Store,
    Application,
}

/// The connections to a file.
pub(super) struct DatabaseFile {
    pub(super) pool: SqlitePool,
    pub(super) owner: Owner,
    /// Whether the store chooses the settings of the connections.
    is_configured: bool,
}

/// Makes a pool of connections. Nothing is opened yet.
pub(super) fn open(source: &SqliteSource, opening: Opening) -> Result<DatabaseFile, StoreError> {
    Ok(match &source.0 {
        SourceKind::Path(path) => {
            let pool = own_pool(options(path, opening)?, opening);
            DatabaseFile { pool, owner: Owner::Store, is_configured: true }
        }
        SourceKind::Options(options) => {
            let pool = own_pool(SqliteConnectOptions::clone(options), opening);
            DatabaseFile { pool, owner: Owner::Store, is_configured: false }
        }
        SourceKind::Pool(pool) => {
            let pool = pool.clone();
            DatabaseFile { pool, owner: Owner::Application, is_configured: false }
        }
    })
}

fn options(path: &Path, opening: Opening) -> Result<SqliteConnectOptions, StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(no_file());
    }
    let flushes = !matches!(opening.synchronous, SqliteSynchronous::Off);
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(opening.create)
        .busy_timeout(opening.timeout)
        .synchronous(opening.synchronous)
        // Only on macOS: otherwise flushed data may still be in the disk's cache.
        .pragma("fullfsync", if flushes { "ON" } else { "OFF" })
        .pragma("journal_size_limit", LOG_BYTES)
        .disable_statement_logging())
}

fn own_pool(options: SqliteConnectOptions, opening: Opening) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(opening.max_connections.max(1))
        .acquire_timeout(opening.timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options)
}

impl DatabaseFile {
    /// Prepares the log and the tables.
    pub(super) async fn prepare(
        &self,
        names: &TableNames,
        may_migrate: bool,
        limit: Duration,
    ) -> Result<(), StoreError> {
        let prepared = timeout(limit, async {
            let mut connection: PoolConnection<Sqlite> = self.pool.acquire().await?;
            if file_path(&mut connection).await?.is_empty() {
                return Ok(None);
            }
            if self.is_configured {
                enable_write_ahead_log(&mut connection).await?;
            } else {
                warn_of_settings(&mut connection).await?;
            }
            if may_migrate {
                return schema::migrate(&mut connection, names).await.map(Some);
            }
            schema::version(&mut connection, names).await.map(Some)
        });
        let newest = schema::newest();
        match prepared.await.unwrap_or_else(|_| Err(timed_out())).map_err(store_error)? {
            None => Err(no_file()),
            Some(version) if version > newest => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!(
                    "the tables are of version {version}, made by a newer release: this one knows \
                     version {newest}; upgrade idempotent-core"
                ),
            )),
            Some(version) if version < newest => Err(schema_missing()),
            Some(_) => Ok(()),
        }
    }
}

/// The path of the open file; empty if there is none.
async fn file_path(connection: &mut SqliteConnection) -> Result<String, Error> {
    let path: Option<String> = sqlx::query(FILE).fetch_one(connection).await?.try_get(0)?;
    Ok(path.unwrap_or_default())
}

/// With a write-ahead log, readers and a writer do not wait for each other, and a commit writes to one
/// place only.
async fn enable_write_ahead_log(connection: &mut SqliteConnection) -> Result<(), Error> {
    let mut mode = journal_mode(connection, "PRAGMA journal_mode").await?;
    while mode != "wal" {
        match journal_mode(connection, "PRAGMA journal_mode = WAL").await {
            Ok(got) if got == "wal" => mode = got,
            Ok(got) => {
                tracing::warn!(
                    mode = got,
                    "sqlite keeps no write-ahead log for this file: calls wait longer for each other"
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

/// The application chose these settings, so they are left as they are.
async fn warn_of_settings(connection: &mut SqliteConnection) -> Result<(), Error> {
    let synchronous: i64 =
        sqlx::query("PRAGMA synchronous").fetch_one(connection).await?.try_get(0)?;
    if synchronous == 0 {
        tracing::warn!(
            "the pool's connections have `synchronous` off: a power failure may damage the file"
        );
    }
    Ok(())
}

fn no_file() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "a database without a file is lost with its process: use a path, or `MemoryStore`",
    )
}
