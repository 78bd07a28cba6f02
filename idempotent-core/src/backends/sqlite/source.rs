//! Where a [`SqliteStore`](super::SqliteStore) keeps its records.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

/// Where a [`SqliteStore`](super::SqliteStore) keeps its records: in a file, by its path or by options of
/// sqlx, with connections of the store's own; or in the file of a pool that the application already has.
///
/// ```no_run
/// use idempotent_core::backends::SqliteStore;
/// use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::connect("/var/lib/shop/calls.db").await?;
///
/// let options = SqliteConnectOptions::new()
///     .filename("/var/lib/shop/shop.db")
///     .journal_mode(SqliteJournalMode::Wal);
/// let pool = SqlitePool::connect_with(options).await?;
/// let store = SqliteStore::connect(pool).await?;
/// # Ok(()) }
/// ```
///
/// Beside a pool, the store opens connections of its own, with the pool's options and its hooks such as
/// `after_connect`: calls may hold all of the pool's connections while they run, and their leases are renewed
/// all the same. Nothing that the application left open on a connection, or that `SQLite` ended on it, reaches
/// the store. The store closes its connections once the application closes the pool, or with
/// [`SqliteStore::close`](super::SqliteStore::close). If the pool locks its file exclusively
/// (`locking_mode = EXCLUSIVE`), no second connection can be opened, so the store shares the pool: a body that
/// holds its last connection then keeps its own lease from being renewed.
///
/// # Who can read it
///
/// A file that the store creates by its path can be read and written by its owner only (on Unix: mode 0600), and so
/// can the log (`-wal`), the shared memory (`-shm`) and the journal that `SQLite` keeps beside it, whatever the
/// process's umask says. A file that is there keeps its permissions, and with options or a pool it is created by
/// sqlx, within the umask: `chmod` it, or keep it in a folder that only the service can read.
///
/// # Settings
///
/// Options and pools keep their settings, such as `journal_mode`, `busy_timeout` and `synchronous`. The store
/// works with any of them, and best with a write-ahead log (`journal_mode = WAL`).
#[derive(Clone)]
pub struct SqliteSource(pub(super) SourceKind);

#[derive(Clone)]
pub(super) enum SourceKind {
    Path(PathBuf),
    Options(Box<SqliteConnectOptions>),
    Pool(SqlitePool),
}

impl<P: AsRef<OsStr> + ?Sized> From<&P> for SqliteSource {
    /// The path of a file: a `&str` or a `&Path`, for instance.
    fn from(path: &P) -> Self {
        Self(SourceKind::Path(PathBuf::from(path)))
    }
}

impl From<String> for SqliteSource {
    /// The path of a file.
    fn from(path: String) -> Self {
        Self(SourceKind::Path(path.into()))
    }
}

impl From<PathBuf> for SqliteSource {
    /// The path of a file.
    fn from(path: PathBuf) -> Self {
        Self(SourceKind::Path(path))
    }
}

impl From<SqliteConnectOptions> for SqliteSource {
    /// Connections of the store's own, opened with these options.
    fn from(options: SqliteConnectOptions) -> Self {
        Self(SourceKind::Options(Box::new(options)))
    }
}

impl From<SqlitePool> for SqliteSource {
    /// A pool that the application already has.
    fn from(pool: SqlitePool) -> Self {
        Self(SourceKind::Pool(pool))
    }
}

impl fmt::Debug for SqliteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SourceKind::Path(path) => path.fmt(f),
            SourceKind::Options(options) => options.get_filename().fmt(f),
            SourceKind::Pool(_) => f.write_str("Pool"),
        }
    }
}
