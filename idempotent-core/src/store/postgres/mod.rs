//! The store of a database: records in a table of PostgreSQL, one row each.
//!
//! [`schema`] is the tables, by the files of `migrations/postgres`; [`names`] puts a store's names
//! into SQL texts, [`statements`] are the texts. [`reserve`], [`complete`], [`renew`] and
//! [`release`] are the transitions, [`look`] how a row becomes a state, [`scan`] the paging. [`link`]
//! is the way to the server, over connections that are [`kept`], [`shared`] what they all use.
//! [`wake`] is what the processes of a table say to each other, [`sweep`] what removes what is over,
//! [`report`] what the log is told. [`transaction`] is calls within transactions of their callers.

mod builder;
mod complete;
mod error;
mod hex;
mod kept;
mod link;
mod look;
mod names;
mod release;
mod renew;
mod report;
mod reserve;
mod scan;
mod schema;
mod shared;
mod statements;
mod sweep;
mod transaction;
mod wake;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use sqlx::PgPool;

pub use self::builder::PostgresStoreBuilder;
pub(super) use self::error::is_conflicting;
use self::error::store_error;
pub(crate) use self::names::Names;
use self::shared::Shared;
pub use self::transaction::{RetryTransaction, retry_transaction};
use super::{
    Complete, CompleteOutcome, Entry, Observer, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Store, StoreError, Wait,
};
use crate::record::RecordId;

/// The store of a fleet that has a database: any number of processes share the records in a table of
/// one PostgreSQL server, version 15 or newer.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::store::PostgresStore;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://shop@127.0.0.1/shop").await?;
/// store.migrate().await?;
/// idempotent_core::install(Idempotency::new(store))?;
/// # Ok(()) }
/// ```
///
/// Clones share everything.
///
/// # The tables
///
/// [`migrate`](Self::migrate) makes them, and every process may call it at its start. Whoever runs
/// migrations with tools of their own takes the SQL files in `migrations/postgres` of this crate's
/// sources, or [`migrations`](Self::migrations). Afterwards the store needs `USAGE` on its schema and
/// `SELECT`, `INSERT`, `UPDATE` and `DELETE` on its tables, and `EXECUTE` on its functions, which
/// everybody has unless it was revoked. Schema and table have [names](PostgresStoreBuilder::schema) of
/// your choice.
///
/// A call that executes is two statements, and one that replays is one, over connections that go back to
/// their pool once a minute only: sqlx asks whether each that goes back still lives, which would double
/// the trips, and does where the pool is [yours](Self::from_pool). What is over is
/// [swept](PostgresStoreBuilder::sweep_every) in small batches, which neither wait for calls nor let
/// calls wait.
///
/// # When the server fails
///
/// Every call ends within [`response_timeout`](PostgresStoreBuilder::response_timeout), waiting for a
/// connection included, and may be repeated. A call whose connection was lost is sent once more within
/// its time, over another connection; so is one that the server refused because another transaction was
/// in the way, where `SERIALIZABLE` is the default. A pool without a free connection is
/// [`StoreErrorKind::Timeout`](crate::store::StoreErrorKind::Timeout); missing tables, missing rights, a
/// standby and a closed pool are [`Unavailable`](crate::store::StoreErrorKind::Unavailable), each with a
/// message that says so. From a standby results replay, and nothing else: what it shows of a running
/// call may be older than what its primary has.
///
/// # What processes say to each other
///
/// Whoever waits for a call of another process marks its row, listens over one connection beside the
/// pool, and is woken by `NOTIFY` when the call ends. Nothing is notified while nobody waits, since a
/// notification takes a lock that all commits of a database share; only a purge always is, of which a
/// [`NearCache`](crate::store::NearCache) hears. A notification that is lost costs a waiter up to
/// [half a second](PostgresStoreBuilder::wait_pauses).
///
/// # Limits
///
/// * The guarantees are as durable as the server's commits. With `fsync` or `synchronous_commit` off, a
///   crash forgets reservations and results; so does a failover to a standby that had not got them,
///   unless replication is synchronous.
/// * Leases are judged by the server's wall clock. Setting it back by hand prolongs them, setting it
///   ahead ends them.
/// * A proxy such as `PgBouncer` has to share connections between sessions, not between transactions;
///   otherwise hand it a [pool](Self::from_pool) that does without what it cannot carry, and set
///   [`notify`](PostgresStoreBuilder::notify) to false.
/// * TLS is what `sqlx` was built with: add it to your dependencies with one of its `tls` features.
/// * Each record is a row with its result, so a table holds about the rate of calls times their `ttl`;
///   autovacuum has to keep up with as many deletions as there are calls.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

impl PostgresStore {
    /// Connects to a server by its URL, `postgres://user:password@host:port/database`, with
    /// everything else at its default.
    ///
    /// # Errors
    ///
    /// If the URL is none, or the server cannot be reached or refuses the login.
    pub async fn connect(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Sets up a store with connections of its own.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::store::PostgresStore;
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
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::url(url.into())
    }

    /// Sets up a store on a pool that the application already has.
    ///
    /// ```no_run
    /// use idempotent_core::store::PostgresStore;
    /// use sqlx::postgres::PgPoolOptions;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = PgPoolOptions::new().connect("postgres://shop@127.0.0.1/shop").await?;
    /// let store = PostgresStore::from_pool(pool).connect().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// A store's own connections have `lock_timeout` at its response timeout and `enable_seqscan` off, so
    /// that plans which were made while the table was empty do not read all of it later, until it is
    /// analyzed. Set both on a pool that the store has to itself.
    ///
    /// A call takes one connection of it, for one statement at a time. Calls within transactions that
    /// the application holds open take another one than that: leave room for both.
    pub fn from_pool(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::pool(pool)
    }

    /// Makes the tables of the store, or brings them to the version that this code needs. Does
    /// nothing, and needs no right to create anything, where that is done.
    ///
    /// Any number of processes may do this at once. Whoever runs migrations with tools of their own
    /// takes the files of `migrations/postgres` in this crate's sources instead, or
    /// [`migrations`](Self::migrations).
    ///
    /// # Errors
    ///
    /// If the server cannot be asked, or the user lacks the rights to make tables.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut borrowed = self.0.link.connection().await.map_err(store_error)?;
        let connection = borrowed.connection().map_err(store_error)?;
        schema::migrate(connection, &self.0.names).await.map_err(store_error)?;
        borrowed.keep();
        Ok(())
    }

    /// Removes every record whose time is over, a batch of 500 at a time, and says how many that were.
    /// The store does that by itself, [every minute](PostgresStoreBuilder::sweep_every): this is for
    /// jobs of your own.
    ///
    /// ```no_run
    /// # async fn nightly() -> Result<(), idempotent_core::store::StoreError> {
    /// use idempotent_core::store::PostgresStore;
    ///
    /// let builder = PostgresStore::builder("postgres://shop@127.0.0.1/shop");
    /// let swept = builder.without_sweeper().connect().await?.sweep().await?;
    /// println!("{swept} records were over");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the server cannot be asked. What was removed until then stays removed.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        sweep::all(&self.0).await
    }

    /// Stops the sweeper of this store and of its clones for good: it begins no further batch, and
    /// none is under way when this returns. Dropping the last clone stops it, too.
    pub async fn stop_sweeping(&self) {
        self.0.sweeper.stop().await;
    }

    /// The versions of the schema, from 1 on, and the SQL that brings each about, under this
    /// store's names: for tools of your own. Each wants a transaction, in which it also says that it
    /// ran.
    ///
    /// ```no_run
    /// # async fn write(store: idempotent_core::store::PostgresStore) -> std::io::Result<()> {
    /// for (version, sql) in store.migrations() {
    ///     std::fs::write(format!("migrations/{version:04}_idempotent.sql"), sql)?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn migrations(&self) -> impl Iterator<Item = (i32, String)> {
        schema::texts(&self.0.names)
    }

    /// What another part of this crate needs for tables beside the records.
    pub(crate) fn place(&self) -> (&PgPool, &Names) {
        (self.0.link.pool(), &self.0.names)
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.0.hub.go_on();
        sweep::start(&self.0);
        reserve::reserve(&self.0, request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        renew::renew(&self.0, request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        let outcome = complete::complete(&self.0, request).await?;
        self.0.hub.ended(request.id);
        Ok(outcome)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        release::release(&self.0, request).await?;
        self.0.hub.ended(request.id);
        Ok(())
    }

    /// Never fails: a server that cannot be asked may be back before the waiter's time is up.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        wake::wait(&self.0, request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        look::load(&self.0, id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let found = release::purge(&self.0, id).await;
        // Also where its answer was lost.
        self.0.hub.purged(id);
        found
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::scan(&self.0, request).await
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        self.0.hub.observe(observer)
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.0.tables)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("names", &self.0.names).finish_non_exhaustive()
    }
}
