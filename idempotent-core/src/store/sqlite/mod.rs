//! The store of one machine: records in a file of `SQLite`, one row each.
//!
//! [`reserve`], [`complete`], [`renew`] and [`release`] are the transitions, [`look`] how a row's
//! times become a state, [`scan`] the paging, [`sweep`] what removes what is over. [`link`] is the
//! way to the file, [`writer`] whose turn it is to write, [`file`] how it is opened, [`schema`] what is in it, [`names`] and [`statements`]
//! what it is asked. [`hub`] is who waits,
//! [`transaction`] the calls within transactions of their callers. [`shared`] is what they all use.

mod builder;
mod complete;
mod error;
mod file;
mod hub;
mod link;
mod look;
mod millis;
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
mod writer;

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use sqlx::SqlitePool;

pub use self::builder::SqliteStoreBuilder;
pub(super) use self::error::is_conflicting;
use self::shared::{Shared, Stopped};
use super::{
    Complete, CompleteOutcome, Entry, Observer, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Store, StoreError, Wait,
};
use crate::record::RecordId;

/// The store of one machine: any number of its processes share the records of one file, which
/// survive a restart. There is no server.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::store::SqliteStore;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::open("/var/lib/shop/calls.db").await?;
/// idempotent_core::install(Idempotency::new(store))?;
/// # Ok(()) }
/// ```
///
/// Clones share everything.
///
/// # What survives
///
/// What was answered is in the file: a process that is killed at any moment loses nothing of it, and
/// with the default [`synchronous`](SqliteStoreBuilder::synchronous) neither does a machine whose
/// power goes. A call that was running when its process died is what its guarantee says: its
/// reservation lapses with its lease, and then it is [`Lapsed`](crate::store::State::Lapsed), vacant
/// and still to be seen by a [`scan`](Store::scan) until its retention is over, or
/// [`Indeterminate`](crate::store::State::Indeterminate).
///
/// The file belongs on a disk of this machine. Over a network, file locks and shared memory do not
/// hold what this store needs. A file that is copied, moved or deleted while it is open is two files.
///
/// # Whose clock
///
/// All processes judge leases and expiries by the machine's clock on the wall, as `SQLite` reads it
/// within the statement, when it has the file's lock. Should somebody set that clock forward,
/// leases and ttls end so much sooner, as if their owners had stood still: a call under *at least
/// once* may run a second time while the first still runs, one under *at most once* becomes
/// indeterminate; renewals, every third of a lease, put it right for those that are not taken.
/// Set back, they last so much longer. Owners count their leases by their own monotonic clock
/// and do not begin a body after them; results are fenced by tokens all the same.
///
/// # Others at the same file
///
/// A file has one writer at a time; readers do not wait for it, and replaying only reads. Writers of
/// one store take turns in the order in which they came, and what came while the disk was busy with
/// one commit is the next, all together; those of different processes take turns as `SQLite` has it.
/// Every question ends within
/// [`response_timeout`](SqliteStoreBuilder::response_timeout); a step that was given up may still
/// happen, and may be repeated.
///
/// | what is wrong | [`StoreErrorKind`](crate::store::StoreErrorKind) |
/// |---|---|
/// | another connection keeps the file locked, no connection is free | `Timeout` |
/// | the disk is full, or `max_page_count` is reached; results replay | `Full` |
/// | the file is damaged, is no database, or holds what is no record | `Malformed` |
/// | the file can only be read; results replay | `Unavailable` |
/// | the tables are missing, the pool is closed, and everything else | `Unavailable` |
///
/// # Within a transaction
///
/// Calls within sqlx's `Transaction<'_, Sqlite>`, or on a `SqliteConnection` on which a transaction has
/// begun, are reserved, run and recorded in it ([`Call::run_in`](crate::Call::run_in), or `tx` on the
/// attribute): the file of the records is then the application's own, by its path or by
/// [`from_pool`](Self::from_pool). [`Transaction`](crate::store::Transaction) says what that promises.
///
/// ```no_run
/// use idempotent_core::idempotent;
/// use idempotent_core::store::SqliteStore;
/// use sqlx::{Sqlite, SqlitePool, Transaction};
///
/// # #[derive(Debug)] enum PayError { Idempotency(idempotent_core::Error), Database(sqlx::Error) }
/// # impl From<idempotent_core::Error> for PayError {
/// #     fn from(error: idempotent_core::Error) -> Self { Self::Idempotency(error) }
/// # }
/// # impl From<sqlx::Error> for PayError {
/// #     fn from(error: sqlx::Error) -> Self { Self::Database(error) }
/// # }
/// #[idempotent(key = order, name = "shop::pay", tx = tx, guarantee = exactly_once)]
/// async fn pay(tx: &mut Transaction<'_, Sqlite>, order: i64) -> Result<(), PayError> {
///     let paid = sqlx::query("UPDATE orders SET paid = true WHERE id = ?1").bind(order);
///     paid.execute(&mut **tx).await?;
///     Ok(())
/// }
///
/// # async fn handler(pool: SqlitePool) -> Result<(), PayError> {
/// let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
/// pay(&mut tx, 7).await?;
/// tx.commit().await?;
/// # Ok(()) }
/// ```
///
/// # What processes say to each other
///
/// Nothing: they look. Whoever waits for a call of another process looks every
/// [100 milliseconds](SqliteStoreBuilder::wait_pauses) at the latest, and is woken at once by a call
/// of this store. A [`NearCache`](crate::store::NearCache) hears of purges by other processes within
/// some 100 milliseconds.
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

impl SqliteStore {
    /// Opens a file, which is made where there is none, with everything at its default.
    ///
    /// # Errors
    ///
    /// As [`SqliteStoreBuilder::connect`].
    ///
    /// ```
    /// use idempotent_core::RecordId;
    /// use idempotent_core::record::Envelope;
    /// use idempotent_core::store::{Reserve, ReserveOutcome, SqliteStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("idempotent-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let store = SqliteStore::open(folder.join("calls.db")).await?;
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
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::builder(path).connect().await
    }

    /// Sets up a store on a file.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::store::SqliteStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = SqliteStore::builder("/var/lib/shop/calls.db")
    ///     .table("payments")
    ///     .response_timeout(Duration::from_secs(1))
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(path: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::path(path.into())
    }

    /// Sets up a store on a pool that the application already has, so that the records are in the
    /// application's own file.
    ///
    /// How its connections open the file is the application's choice, `journal_mode`,
    /// `busy_timeout` and `synchronous` included; the store works with any of them, and best with a
    /// write-ahead log (`journal_mode = WAL`).
    ///
    /// ```no_run
    /// use idempotent_core::store::SqliteStore;
    /// use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = SqliteConnectOptions::new()
    ///     .filename("/var/lib/shop/shop.db")
    ///     .journal_mode(SqliteJournalMode::Wal);
    /// let pool = SqlitePool::connect_with(options).await?;
    /// let store = SqliteStore::from_pool(pool).connect().await?;
    /// # Ok(()) }
    /// ```
    pub fn from_pool(pool: SqlitePool) -> SqliteStoreBuilder {
        SqliteStoreBuilder::pool(pool)
    }

    /// Removes what is over, and says how many records that were. The store does so by itself
    /// [now and then](SqliteStoreBuilder::sweep_every).
    ///
    /// # Errors
    ///
    /// When the file cannot be written to.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        sweep::sweep(&self.0).await
    }

    /// Stops sweeping and listening, and closes the store's connections, after those questions that
    /// are under way. A pool of the application's stays open. Dropping the last clone does the same,
    /// without waiting.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        // Where a runtime went away, what listened on it did too.
        hub::start(&self.0);
        reserve::reserve(&self.0, request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        renew::renew(&self.0, request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        let outcome = complete::complete(&self.0, request).await;
        self.0.hub.ended(request.id);
        outcome
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        let outcome = release::release(&self.0, request).await;
        self.0.hub.ended(request.id);
        outcome
    }

    /// Never fails: a file that cannot be read may be back before the waiter's time is up.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        hub::wait(&self.0, request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(self.0.look(id).await?.entry())
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let outcome = release::purge(&self.0, id).await;
        self.0.hub.purged(id.hash());
        outcome
    }

    /// A page looks at no more than 1,000 rows and at no more than its limit, so it may show fewer
    /// records than that, or none, and still not be the last.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::scan(&self.0, request).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.0.tables)
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        hub::observe(&self.0, observer);
        true
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
