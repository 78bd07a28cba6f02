//! [`SqliteStore`] itself.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::inner::Inner;
use super::{
    abandon, check, complete, correct, due, journal, load, notify, release, renew, reserve, scan,
    schema, scope_use,
};
use crate::backends::shared::sql::sweep_all;
use crate::model::{RecordId, ScopeId, StepEntry, StepId, Token};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Due, DueCall, DueCalls, Entry,
    Journal, Page, PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Resume,
    ResumeOutcome, Scan, ScopeUse, Store, StoreError, StoreHealth, Suspend, Wait, WriteStep,
    WriteStepOutcome,
};

/// A store in a file of this machine: any number of its processes share the records, which survive a restart.
/// There is no server.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::SqliteStore;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = SqliteStore::connect("/var/lib/shop/calls.db").await?;
/// idempotent_core::install(Idempotency::new(store))?;
/// # Ok(()) }
/// ```
///
/// [`SqliteStore::connect`](Self::connect) takes a path, options of sqlx or a pool that the application
/// already has; [`SqliteStore::builder`](Self::builder) also sets names and limits. Clones are the same
/// store.
///
/// # Durability
///
/// Everything that the store has confirmed is in the file. A process that is killed at any moment loses none
/// of it, and with the default [`synchronous`](super::SqliteStoreBuilder::synchronous) neither does a machine
/// that loses power. If a process dies during a call, the guarantee decides: the reservation lapses with its
/// lease, and is then either [`Lapsed`](crate::store::State::Lapsed), which is vacant but still visible to a
/// [`scan`](Store::scan) until its retention ends, or
/// [`Indeterminate`](crate::store::State::Indeterminate).
///
/// The file belongs on a local disk. File locks and shared memory do not work reliably over a network. Do not
/// copy, move or delete the file while it is open: that makes two databases of it.
///
/// # The clock
///
/// All processes measure leases and expiries by the machine's wall clock. `SQLite` reads it in each statement,
/// after it has locked the file. If somebody sets the clock forward, leases and ttls end early by as much: a
/// call under *at least once* may run a second time while the first one still runs, and one under *at most
/// once* becomes indeterminate. Calls renew their leases every third of a lease, which corrects those that
/// nobody has taken. If the clock is set back, leases and ttls last longer by as much. Owners also count their
/// leases by their own monotonic clock and begin no body after the end, and tokens fence results in any case.
///
/// # Other processes on the same file
///
/// A file has one writer at a time. Readers do not wait for it, and a replay only reads. Writes of one store
/// run in the order of their arrival, renewals of leases first, and those that arrive during a commit are all
/// in the next one. Between
/// processes, `SQLite` decides the order. Every query ends within
/// [`response_timeout`](super::SqliteStoreBuilder::response_timeout). A step that timed out may still take
/// effect, and may be repeated.
///
/// | problem | [`StoreErrorKind`](crate::store::StoreErrorKind) |
/// |---|---|
/// | another connection keeps the file locked, no connection is free | `Timeout` |
/// | the disk is full, or `max_page_count` is reached; results are still replayed | `Full` |
/// | the file is damaged, is not a database, or contains something that is not a record | `Malformed` |
/// | the file is read-only; results are still replayed | `Unavailable` |
/// | the file was moved or deleted while it was open: the next call opens the one that has its name now | `Unavailable` |
/// | the tables are missing, the pool is closed, and everything else | `Unavailable` |
///
/// # In a transaction
///
/// A call in sqlx's `Transaction<'_, Sqlite>`, or on a `SqliteConnection` on which a transaction has begun,
/// is reserved, run and recorded in that transaction ([`Call::run_in`](crate::Call::run_in), or `tx` on the
/// attribute). The store must then be in the application's own file: [connect](Self::connect) it with the
/// file's path or the application's pool. [`Transaction`](crate::store::Transaction) says what that
/// guarantees.
///
/// ```no_run
/// use idempotent_core::idempotent;
/// use idempotent_core::backends::SqliteStore;
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
/// # Notifications
///
/// Processes do not notify each other. A waiter polls for the end of another process's call every
/// [100 milliseconds](super::SqliteStoreBuilder::wait_pauses) or more often, and a call of this store wakes it
/// at once. A [`NearCache`](crate::backends::NearCache) learns of purges by other processes within about 100
/// milliseconds.
#[derive(Clone)]
pub struct SqliteStore(pub(super) Arc<Inner>);

impl SqliteStore {
    /// Creates the store's tables if they are missing, and migrates them if they are too old.
    /// [`connect`](Self::connect) has done that already, unless it was
    /// [switched off](super::SqliteStoreBuilder::migrate).
    ///
    /// Any number of processes may migrate at once. If the tables are up to date, this only reads, and needs
    /// no right to create anything.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or the tables cannot be created.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.0.named(self.0.connection.migrate(&self.0.names).await)
    }

    /// The versions of the schema from 1 on, each with its SQL, under this store's names: for migration tools
    /// of your own. Run each version once, in its order, in a transaction of its own. The SQL also records
    /// that the version has run. The same as
    /// [`SqliteStoreBuilder::migrations`](super::SqliteStoreBuilder::migrations), which needs no file.
    pub fn migrations(&self) -> impl Iterator<Item = (i32, String)> + '_ {
        schema::migrations(&self.0.names)
    }

    /// Removes all expired records, in batches, and returns how many they were. The store does that in the
    /// background [once a minute](super::SqliteStoreBuilder::sweep_every), so this is for jobs of your own.
    ///
    /// # Errors
    ///
    /// If the file cannot be written to. What was removed by then stays removed.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.0.named(sweep_all(&*self.0).await)
    }

    /// Closes this store and all of its clones: ends the background tasks, closes the store's own
    /// connections, and waits until that is done. Statements that run now are completed first. A pool of
    /// the application stays open, and the store can still be used on its connections.
    ///
    /// Dropping the last clone does the same without waiting.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Journal for SqliteStore {
    fn fences_by_suspend(&self) -> bool {
        true
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        self.0.ready().await?;
        self.0.named(journal::write_step(&self.0, request).await)
    }

    async fn load_steps(
        &self,
        _id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        self.0.ready().await?;
        self.0.named(journal::load_steps(&self.0, journal).await)
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        self.0.ready().await?;
        self.0.named(journal::resume(&self.0, request).await)
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(journal::suspend(&self.0, request).await);
        self.0.notifier.ended(request.id.hash());
        outcome
    }
}

#[async_trait]
impl DueCalls for SqliteStore {
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
        self.0.ready().await?;
        self.0.named(due::due(&self.0, request).await)
    }

    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError> {
        self.0.ready().await?;
        self.0.named(due::due_in(&self.0, id).await)
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn server(&self) -> Option<&str> {
        Some(self.0.file())
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        self.0.ready().await?;
        self.0.named(check::check(&self.0).await)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.0.ready().await?;
        // If the runtime of a background task is gone, the task goes on here.
        notify::start_reading_purges(&self.0);
        self.0.start_tasks();
        self.0.named(reserve::reserve(&self.0, request).await)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.ready().await?;
        self.0.named(renew::renew(&self.0, request).await)
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(complete::complete(&self.0, request).await);
        self.0.notifier.ended(request.id.hash());
        outcome
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(release::release(&self.0, request).await);
        self.0.notifier.ended(request.id.hash());
        outcome
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(abandon::abandon(&self.0, request).await);
        self.0.notifier.ended(request.id.hash());
        outcome
    }

    /// Never fails: a file that cannot be read may be back before the waiter's time is up.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        notify::wait(&self.0, request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.ready().await?;
        Ok(self.0.named(load::load(&self.0, id).await)?.entry())
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(release::purge(&self.0, id).await);
        self.0.notifier.purged(id.hash());
        outcome
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(correct::correct(&self.0, request).await);
        self.0.notifier.purged(request.id.hash());
        outcome
    }

    /// A page reads at most 1,000 rows and at most its limit, so it may contain fewer records than its limit,
    /// or none, without being the last one.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.ready().await?;
        self.0.named(scan::scan(&self.0, request).await)
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        Some(self)
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.0.transaction_statements)
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        self.0.ready().await?;
        self.0.named(scope_use::scope_use(&self.0, scope, up_to).await).map(Some)
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        notify::observe_purges(&self.0, observer);
        true
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
