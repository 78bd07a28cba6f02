//! Setting up a [`SqliteStore`].

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteSynchronous;
use tokio::runtime::Handle;

use super::connection::Connection;
use super::database_file::{self, DatabaseFile, Opening};
use super::error::no_runtime;
use super::inner::Inner;
use super::schema;
use super::source::SqliteSource;
use super::store::SqliteStore;
use super::table_names::TableNames;
use crate::backends::shared::first_connection::{connect_once, connect_within};
use crate::backends::shared::notify::PollPauses;
use crate::backends::shared::sql::Sweeper;
use crate::store::StoreError;

const MAX_CONNECTIONS: u32 = 4;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The longest timeout, which clocks and connections still accept.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A look takes some twenty microseconds of processor time, and delays nobody else.
const FIRST_PAUSE: Duration = Duration::from_millis(3);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Sets up a [`SqliteStore`]. From [`SqliteStore::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct SqliteStoreBuilder {
    source: SqliteSource,
    names: TableNames,
    max_connections: u32,
    response_timeout: Duration,
    synchronous: SqliteSynchronous,
    migrate: bool,
    sweep_every: Option<Duration>,
    wait_pauses: PollPauses,
}

impl SqliteStore {
    /// Opens a store with the defaults: on a file, which is created if it does not exist, or on a pool that
    /// the application already has. Creates the store's tables if they are missing: see
    /// [`migrate`](SqliteStoreBuilder::migrate).
    ///
    /// ```
    /// use idempotent_core::backends::SqliteStore;
    /// use idempotent_core::model::{Envelope, RecordId};
    /// use idempotent_core::store::{Reserve, ReserveOutcome, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("idempotent-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let store = SqliteStore::connect(folder.join("calls.db")).await?;
    /// let id = RecordId::of("shop::charge", None, &42)?;
    /// let first = Reserve::new(&id, Envelope::new("shop::charge"));
    /// let second = Reserve::new(&id, Envelope::new("shop::charge"));
    ///
    /// assert!(matches!(store.reserve(&first).await?, ReserveOutcome::Won));
    /// assert!(matches!(store.reserve(&second).await?, ReserveOutcome::Taken(_)));
    /// # store.close().await;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as those of [`SqliteStoreBuilder::connect`].
    pub async fn connect(source: impl Into<SqliteSource>) -> Result<Self, StoreError> {
        Self::builder(source).connect().await
    }

    /// Sets up a store: on a file, or on a pool that the application already has.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::SqliteStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = SqliteStore::builder("/var/lib/shop/calls.db")
    ///     .table("payments")
    ///     .response_timeout(Duration::from_secs(1))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(source: impl Into<SqliteSource>) -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            source: source.into(),
            names: TableNames::default(),
            max_connections: MAX_CONNECTIONS,
            response_timeout: RESPONSE_TIMEOUT,
            synchronous: SqliteSynchronous::Full,
            migrate: true,
            sweep_every: Some(SWEEP_EVERY),
            wait_pauses: PollPauses::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }
}

impl SqliteStoreBuilder {
    /// The table of the store's records. The names of its other tables and indexes begin with this name.
    /// Default: `idempotent_records`. Letters, digits, `_` and `-`, at most 40 bytes.
    ///
    /// Stores on different tables do not see each other's records.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.names.set_table(table.into());
        self
    }

    /// The most connections that the store opens for reads, at least one, each with a thread of its own.
    /// Default: 4. It opens one more for writes: a file has one writer at a time.
    ///
    /// Beside an application's pool too the connections are the store's own; see
    /// [`SqliteSource`](super::SqliteSource).
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// The longest that one query may take, including the waits for a connection and for other writers.
    /// Default: two seconds. At most a day.
    ///
    /// Keep it well below the shortest lease. A step of the store is one to three queries.
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// When a commit counts as done. Default: `Full`. Ignored for options of sqlx and for an application's
    /// pool, which have their own setting.
    ///
    /// | | the process dies | the power fails, or the system crashes |
    /// |---|---|---|
    /// | `Full`, `Extra` | nothing is lost | nothing is lost, if the disk keeps what it has confirmed |
    /// | `Normal` | nothing is lost | the last commits may be undone; the file stays intact |
    /// | `Off` | nothing is lost | the file may be damaged |
    ///
    /// A commit that is undone is a call that runs again or whose result is lost, whatever its guarantee.
    /// `Normal` saves one flush of the disk a write, which is most of the cost of a write.
    pub const fn synchronous(mut self, synchronous: SqliteSynchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Whether [`connect`](Self::connect) may create and migrate the store's tables. Default: true.
    ///
    /// If it may, it creates the tables if they are missing, and migrates them if they are older than this
    /// version needs. Any number of processes may connect at once. If the tables are up to date, it only
    /// reads, and needs no right to create anything.
    ///
    /// If it may not, it fails if the tables are missing or too old. Migrate them before: with the SQL of
    /// [`migrations`](Self::migrations), or by a job that connects with the right to create tables.
    ///
    /// The same holds on a pool of the application.
    pub const fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// How often expired records are removed from the table. Default: once a minute. At least ten
    /// milliseconds, at most a day. `None` means never: call [`SqliteStore::sweep`] yourself.
    ///
    /// Any number of processes may sweep at once: each removes batches of up to 200 records, with pauses in
    /// between. Only the size of the file depends on it: an expired record counts as gone, swept or not.
    pub fn sweep_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.sweep_every = interval.into();
        self
    }

    /// How often a waiter polls for the end of another process's call: the pauses begin with `first` and
    /// double up to `longest`. Default: 3 and 100 milliseconds. At least one millisecond, at most a day.
    /// Calls of the same store wake their waiters at once.
    pub fn wait_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.wait_pauses = PollPauses::new(first, longest);
        self
    }

    /// The versions of the schema from 1 on, each with its SQL, under the names that are set: for
    /// migration tools of your own. Run each version once, in its order, in a transaction of its own.
    /// The SQL also records that the version has run.
    ///
    /// ```
    /// use idempotent_core::backends::SqliteStore;
    ///
    /// let builder = SqliteStore::builder("/var/lib/shop/calls.db").table("payments");
    /// for (version, sql) in builder.migrations()? {
    ///     println!("-- {version:04}_idempotent.sql\n{sql}");
    /// }
    /// # Ok::<(), idempotent_core::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a name is invalid.
    pub fn migrations(&self) -> Result<impl Iterator<Item = (i32, String)> + '_, StoreError> {
        self.names.check()?;
        Ok(schema::migrations(&self.names))
    }

    /// Opens the file, and makes sure that the tables are there: see [`migrate`](Self::migrate). A path to
    /// no file creates one, unless the store may not migrate.
    ///
    /// # Errors
    ///
    /// If the table's name is invalid; if the file cannot be opened or is not a database; if there is no
    /// file, as with `:memory:`; if the tables are missing or too old and may not be migrated, or cannot be;
    /// if the tables were made by a newer release.
    pub async fn connect(self) -> Result<SqliteStore, StoreError> {
        let inner = self.build()?;
        connect_once(&*inner).await?;
        inner.start_tasks();
        Ok(SqliteStore(inner))
    }

    /// Opens the file as [`connect`](Self::connect) does, and tries again with growing pauses of up to half a second
    /// until it succeeds or `limit` is over: for a disk that is mounted later. The first failure is logged as a
    /// warning; only a source or a name that is invalid fails at once.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::SqliteStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let builder = SqliteStore::builder("/mnt/shop/calls.db");
    /// let store = builder.connect_with_retry(Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect): the last one, once `limit` is over.
    pub async fn connect_with_retry(self, limit: Duration) -> Result<SqliteStore, StoreError> {
        let inner = self.build()?;
        connect_within(&*inner, limit).await?;
        inner.start_tasks();
        Ok(SqliteStore(inner))
    }

    /// Returns a store that opens its file in the background, so that a service can start before the disk is there.
    /// It tries until it succeeds, with pauses of up to half a second, and looks for its tables then as
    /// [`connect`](Self::connect) does. Calls before that wait for the first attempt, within the
    /// [response timeout](Self::response_timeout); after it they fail at once with what it met, until one succeeds.
    ///
    /// ```no_run
    /// use idempotent_core::backends::SqliteStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = SqliteStore::builder("/mnt/shop/calls.db").connect_lazy()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the path or a name is invalid, or if there is no tokio runtime.
    pub fn connect_lazy(self) -> Result<SqliteStore, StoreError> {
        let inner = self.build()?;
        inner.start_connecting();
        Ok(SqliteStore(inner))
    }

    /// A store that has opened nothing yet.
    /// The versions of the schema that have not run yet, each with its SQL: what [`connect`](Self::connect) would
    /// run if it may [migrate](Self::migrate). It only reads; of a file that does not exist, that is all of them, and
    /// it stays absent.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), idempotent_core::store::StoreError> {
    /// use idempotent_core::backends::SqliteStore;
    ///
    /// let missing = SqliteStore::builder("/tmp/is/not/there.db").missing_migrations().await?;
    /// assert_eq!(missing.first().map(|(version, _)| *version), Some(1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If a name is invalid, or if the file cannot be read.
    pub async fn missing_migrations(self) -> Result<Vec<(i32, String)>, StoreError> {
        let inner = self.migrate(false).build()?;
        let version = inner.named(inner.schema_version().await);
        inner.close().await;
        let version = version?;
        let missing = schema::migrations(&inner.names);
        Ok(missing.filter(|(of, _)| i64::from(*of) > version).collect())
    }

    fn build(self) -> Result<Arc<Inner>, StoreError> {
        self.names.check()?;
        Handle::try_current().map_err(|_| no_runtime().at("sqlite"))?;
        let timeout = self.response_timeout.min(LONGEST_TIMEOUT);
        let opening = Opening {
            max_connections: self.max_connections,
            synchronous: self.synchronous,
            create: self.migrate,
            timeout,
        };
        let file = database_file::open(&self.source, opening);
        let DatabaseFile { connections, preparation } = file.map_err(|error| error.at("sqlite"))?;
        let connection = Connection::new(connections, timeout);
        let sweeper = Sweeper::new(self.sweep_every);
        let pauses = self.wait_pauses;
        Ok(Arc::new(Inner::new(connection, self.names, pauses, sweeper, preparation)))
    }
}
