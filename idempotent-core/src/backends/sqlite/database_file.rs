//! Opening the file: its connections, its log, its tables.

use std::path::{Path, PathBuf};
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
    pub(super) preparation: Preparation,
}

/// What is to be done once a file can be opened.
#[derive(Clone, Debug)]
pub(super) struct Preparation {
    /// The file to create, if it does not exist. Then the store chooses the settings of the connections, too.
    path: Option<PathBuf>,
    may_migrate: bool,
    limit: Duration,
}

/// Makes the pools of connections. Nothing is opened yet.
pub(super) fn open(source: &SqliteSource, opening: Opening) -> Result<DatabaseFile, StoreError> {
    let (connections, path) = match &source.0 {
        SourceKind::Path(path) => {
            check_path(path)?;
            let options = options(path, opening);
            (Connections::own(options, pool_options(opening)), Some(path.clone()))
        }
        SourceKind::Options(options) => {
            (Connections::own((**options).clone(), pool_options(opening)), None)
        }
        SourceKind::Pool(pool) => {
            let connections = opening.max_connections.max(1);
            (Connections::beside(pool.clone(), connections, opening.timeout), None)
        }
    };
    let preparation = Preparation { path, may_migrate: opening.create, limit: opening.timeout };
    Ok(DatabaseFile { connections, preparation })
}

/// Refuses what is no path of a file, though a file could have that name.
fn check_path(path: &Path) -> Result<(), StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(no_file());
    }
    let Some(text) = path.to_str() else { return Ok(()) };
    let is_url = text.contains("://") || text.starts_with("sqlite:") || text.starts_with("file:");
    if !is_url {
        return Ok(());
    }
    let rest =
        ["sqlite://", "sqlite:", "file://", "file:"].iter().find_map(|it| text.strip_prefix(it));
    let rest = rest.and_then(|rest| rest.split('?').next()).filter(|rest| !rest.is_empty());
    let message = match rest {
        Some(":memory:") => return Err(no_file()),
        Some(rest) => format!("it takes the path of a file, and not a URL: write {rest}"),
        None => "it takes the path of a file, and not the URL of a server: write /path/to/calls.db"
            .into(),
    };
    Err(StoreError::new(StoreErrorKind::Unavailable, message).without_outage())
}

/// What is wrong with the place of the file, which `SQLite` does not say.
fn place_problem(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some(format!("it is a folder: write {}", path.join("calls.db").display()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.exists()).then(|| format!("its folder {} does not exist: create it", folder.display()))
}

fn options(path: &Path, opening: Opening) -> SqliteConnectOptions {
    let flushes = !matches!(opening.synchronous, SqliteSynchronous::Off);
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(opening.create)
        .busy_timeout(opening.timeout)
        .synchronous(opening.synchronous)
        // Only on macOS: otherwise flushed data may still be in the disk's cache.
        .pragma("fullfsync", if flushes { "ON" } else { "OFF" })
        .pragma("journal_size_limit", LOG_BYTES)
        .disable_statement_logging()
}

fn pool_options(opening: Opening) -> PoolOptions<Sqlite> {
    SqlitePoolOptions::new()
        .max_connections(opening.max_connections.max(1))
        .acquire_timeout(opening.timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

impl Preparation {
    /// Creates the file if it does not exist, and prepares the log and the tables.
    pub(super) async fn run(
        &self,
        connections: &Connections,
        names: &TableNames,
    ) -> Result<(), StoreError> {
        if let Some(path) = &self.path {
            if let Some(problem) = place_problem(path) {
                return Err(StoreError::new(StoreErrorKind::Unavailable, problem));
            }
            if self.may_migrate {
                private_file::create(path);
            }
        }
        let prepared = timeout(self.limit, async {
            let mut borrowed = connections.acquire_first().await?;
            let connection = &mut *borrowed.connection;
            if file_path(connection).await?.is_empty() {
                return Ok(None);
            }
            if locks_exclusively(connection).await? {
                connections.use_one_pool();
            }
            if self.path.is_some() {
                enable_write_ahead_log(connection).await?;
            } else {
                warn_of_settings(connection).await?;
            }
            if self.may_migrate {
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
    let message =
        "a database without a file is lost with its process: use a path, or `MemoryStore`";
    StoreError::new(StoreErrorKind::Unavailable, message).without_outage()
}
