//! Opening the file: its connections, its log, its tables.

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Error, Row as _, Sqlite, SqliteConnection};
use tokio::time::{sleep, timeout};

use super::connections::Connections;
use super::error::{is_busy, store_error, timed_out};
use super::private_file;
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

/// A file that is about to be opened.
pub(super) struct DatabaseFile {
    pub(super) connections: Connections,
    /// Whether the store chooses the settings of the connections.
    is_configured: bool,
}

/// Makes the pools of connections. Nothing is opened yet; a file that does not exist is created, and empty.
pub(super) fn open(source: &SqliteSource, opening: Opening) -> Result<DatabaseFile, StoreError> {
    Ok(match &source.0 {
        SourceKind::Path(path) => DatabaseFile {
            connections: Connections::own(options(path, opening)?, pool_options(opening)),
            is_configured: true,
        },
        SourceKind::Options(options) => DatabaseFile {
            connections: Connections::own((**options).clone(), pool_options(opening)),
            is_configured: false,
        },
        SourceKind::Pool(pool) => DatabaseFile {
            connections: Connections::beside(
                pool.clone(),
                opening.max_connections.max(1),
                opening.timeout,
            ),
            is_configured: false,
        },
    })
}

fn options(path: &Path, opening: Opening) -> Result<SqliteConnectOptions, StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(no_file());
    }
    if opening.create {
        private_file::create(path);
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

fn pool_options(opening: Opening) -> PoolOptions<Sqlite> {
    SqlitePoolOptions::new()
        .max_connections(opening.max_connections.max(1))
        .acquire_timeout(opening.timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

impl DatabaseFile {
    /// Prepares the log and the tables.
    pub(super) async fn prepare(
        &mut self,
        names: &TableNames,
        may_migrate: bool,
        limit: Duration,
    ) -> Result<(), StoreError> {
        let prepared = timeout(limit, async {
            let mut borrowed = self.connections.acquire_first().await?;
            let connection = &mut *borrowed.connection;
            if file_path(connection).await?.is_empty() {
                return Ok(None);
            }
            if locks_exclusively(connection).await? {
                self.connections.use_one_pool();
            }
            if self.is_configured {
                enable_write_ahead_log(connection).await?;
            } else {
                warn_of_settings(connection).await?;
            }
            if may_migrate {
                return schema::migrate(connection, names).await.map(Some);
            }
            schema::version(connection, names).await.map(Some)
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

/// Whether the connection keeps the file locked for itself for as long as it is open.
async fn locks_exclusively(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let mode: String =
        sqlx::query("PRAGMA locking_mode").fetch_one(connection).await?.try_get(0)?;
    Ok(mode.eq_ignore_ascii_case("exclusive"))
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
