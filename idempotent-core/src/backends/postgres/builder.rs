//! Setting up a [`PostgresStore`].

use std::time::Duration;

use super::schema;
use super::source::PostgresSource;
use super::store::PostgresStore;
use super::table_names::TableNames;
use crate::backends::shared::credentials::{CredentialsProvider, Provider};
use crate::backends::shared::notify::PollPauses;
use crate::store::StoreError;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_CONNECTIONS: u32 = 10;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Sets up a [`PostgresStore`]. From [`PostgresStore::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct PostgresStoreBuilder {
    pub(super) source: PostgresSource,
    pub(super) names: TableNames,
    pub(super) max_connections: u32,
    pub(super) response_timeout: Duration,
    pub(super) migrate: bool,
    pub(super) sweep_every: Option<Duration>,
    pub(super) group_commits: Option<bool>,
    pub(super) never_alone: bool,
    pub(super) notify: bool,
    pub(super) wait_pauses: Option<PollPauses>,
    pub(super) credentials: Option<Provider>,
}

impl PostgresStore {
    /// Connects with the defaults: to a URL, with options of sqlx, or to a pool that the application
    /// already has. Creates the store's tables if they are missing: see
    /// [`migrate`](PostgresStoreBuilder::migrate).
    ///
    /// ```no_run
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = PostgresStore::connect("postgres://shop@127.0.0.1/shop").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as those of [`PostgresStoreBuilder::connect`].
    pub async fn connect(source: impl Into<PostgresSource>) -> Result<Self, StoreError> {
        Self::builder(source).connect().await
    }

    /// Sets up a store: on a URL, with options of sqlx, or on a pool that the application already has.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = PostgresStore::builder("postgres://shop@127.0.0.1/shop")
    ///     .schema("shop")
    ///     .table("idempotency")
    ///     .response_timeout(Duration::from_millis(500))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(source: impl Into<PostgresSource>) -> PostgresStoreBuilder {
        PostgresStoreBuilder {
            source: source.into(),
            names: TableNames::default(),
            max_connections: MAX_CONNECTIONS,
            response_timeout: RESPONSE_TIMEOUT,
            migrate: true,
            sweep_every: Some(SWEEP_EVERY),
            group_commits: None,
            never_alone: false,
            notify: true,
            wait_pauses: None,
            credentials: None,
        }
    }
}

impl PostgresStoreBuilder {
    /// The schema of the store's tables, which is created if it is missing. Default: `idempotent`.
    /// Letters, digits, `_` and `-`, at most 63 bytes, case-sensitive.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.names.set_schema(schema.into());
        self
    }

    /// The table of the store's records. The names of its other tables, indexes and functions begin with
    /// this name. Default: `records`. Letters, digits, `_` and `-`, at most 40 bytes, case-sensitive.
    ///
    /// Stores on different tables do not see each other's records.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.names.set_table(table.into());
        self
    }

    /// The most connections that the store opens, at least one. Default: 10. Ignored for an application's
    /// pool, which has its own limit.
    ///
    /// There is one more to renew leases, opened when the first one is renewed, one more to
    /// [listen](Self::notify), and as many again for its [outbox](crate::outbox) if that is used.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// The longest that a step of the store may take, including the wait for a connection. Default: one
    /// second.
    ///
    /// While all connections are taken, a step waits for one for at most half of that, so that enough is left to
    /// use it.
    ///
    /// Keep it well below the shortest lease. The store's own connections also use it as `lock_timeout`. Set
    /// that on an application's pool as well: otherwise, while a table is locked, statements that timed
    /// out here keep waiting on the server.
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Asks this provider for a password or a token whenever a connection is opened: for passwords that are
    /// rotated, and for a cloud's tokens, which expire. Without it, those of the URL or the options are used.
    ///
    /// ```no_run
    /// use idempotent_core::backends::{Credentials, PostgresStore};
    ///
    /// # async fn token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = PostgresStore::builder("postgres://shop@db.example/shop?sslmode=verify-full")
    ///     .credentials(|| async { Ok(Credentials::password(token().await?)) })
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Connections that are open stay so: PostgreSQL checks a password only when a connection is opened, and
    /// the store replaces each after half an hour. If the server refuses a login, the provider is asked once
    /// more. If the provider fails, so does the call, as
    /// [`Unavailable`](crate::store::StoreErrorKind::Unavailable).
    ///
    /// On an application's pool it is for the connections that the store opens beside the pool, to renew
    /// leases and to listen. By default these log in as the pool does, with the options that it has at that
    /// time: see `set_connect_options` of sqlx's `Pool`.
    pub fn credentials(mut self, provider: impl CredentialsProvider) -> Self {
        self.credentials = Some(Provider::new(provider));
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
    /// milliseconds, at most a day. `None` means never: call [`PostgresStore::sweep`] yourself.
    ///
    /// Any number of processes may sweep at once: each removes batches of up to 500 records that no other
    /// transaction has locked, with pauses in between. Only the size of the table depends on it: an
    /// expired record counts as gone, swept or not.
    pub fn sweep_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.sweep_every = interval.into();
        self
    }

    /// Whether steps of several calls may leave together, as one statement and one commit. Default: true on
    /// connections of the store's own, and false on an application's pool.
    ///
    /// A commit takes as long as the server's disk does, so this is what a busy store is bound to without it.
    /// While two groups are under way, the changes that arrive wait, and leave together as the next one: up to 100,
    /// of at most a mebibyte. A change that is alone leaves at once, and so does one whose record is long. Looking for
    /// a result is a group of its own that only reads, so a replay waits for no commit. What calls with steps write to
    /// their journals leaves in the same groups as reservations and results, and the steps of one call in one
    /// group at a time. Each caller has its own answer, as it
    /// would have alone; calls in transactions of their callers (`tx`) are not concerned.
    ///
    /// It needs connections at the isolation level `read committed`, which the store's own are. On a pool whose
    /// default is another one, the store warns once, and makes each change alone.
    ///
    /// ```no_run
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn start(pool: sqlx::PgPool) -> Result<(), idempotent_core::store::StoreError> {
    /// let store = PostgresStore::builder(pool).group_commits(true).connect().await?;
    /// # Ok(()) }
    /// ```
    pub const fn group_commits(mut self, group: bool) -> Self {
        self.group_commits = Some(group);
        self
    }

    /// Sends steps in groups even if they are alone, so that tests see groups.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub const fn never_alone(mut self) -> Self {
        self.never_alone = true;
        self
    }

    /// Whether waiters and near caches are notified by other processes, with `LISTEN` and `NOTIFY`.
    /// Default: true. That takes one connection beside the pool, opened when somebody first waits.
    ///
    /// Without it, waiters only poll, with [`wait_pauses`](Self::wait_pauses), and a
    /// [`NearCache`](crate::backends::NearCache) does not hear of purges by other processes. Switch it off
    /// behind a proxy that shares connections between transactions.
    pub const fn notify(mut self, notify: bool) -> Self {
        self.notify = notify;
        self
    }

    /// How often a waiter polls for the end of another process's call: the pauses begin with `first` and
    /// double up to `longest`. Default: 100 and 500 milliseconds; without [`notify`](Self::notify) 10 and
    /// 500 milliseconds. At least one millisecond, at most a day.
    pub fn wait_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.wait_pauses = Some(PollPauses::new(first, longest));
        self
    }

    /// The versions of the schema from 1 on, each with its SQL, under the names that are set: for
    /// migration tools of your own. Run each version once, in its order, in a transaction of its own.
    /// The SQL also records that the version has run.
    ///
    /// ```
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// let builder = PostgresStore::builder("postgres://shop@127.0.0.1/shop").schema("shop");
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
}
