//! [`PostgresStore`] itself.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::connection_pool::ConnectionPool;
use super::error::store_error;
use super::inner::Inner;
use super::table_names::TableNames;
use super::{
    check, due, groups, journal, load, notify, release, scan, schema, scope_use, settings,
};
use crate::backends::shared::server_settings::ServerSettings;
use crate::backends::shared::sql::sweep_all;
use crate::model::{RecordId, ScopeId, StepEntry, StepId, Token};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Due, DueCall, DueCalls, Entry,
    Journal, Page, PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Resume,
    ResumeOutcome, Scan, ScopeUse, Store, StoreError, StoreHealth, Suspend, Wait, WriteStep,
    WriteStepOutcome,
};

/// A store in PostgreSQL, version 15 or newer: any number of processes share the records in a table of one
/// server.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::PostgresStore;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://shop@127.0.0.1/shop").await?;
/// idempotent_core::install(Idempotency::new(store))?;
/// # Ok(()) }
/// ```
///
/// [`PostgresStore::connect`](Self::connect) takes a URL, options of sqlx or a pool that the application
/// already has; [`PostgresStore::builder`](Self::builder) also sets names and limits. Clones are the same
/// store.
///
/// # The tables
///
/// `connect` creates and migrates them, unless that is [switched off](super::PostgresStoreBuilder::migrate).
/// After that the store needs `USAGE` on its schema, `SELECT`, `INSERT`, `UPDATE` and `DELETE` on its
/// tables, and `EXECUTE` on its functions, which everybody has unless it was revoked. Schema and table have
/// [names](super::PostgresStoreBuilder::schema) of your choice.
///
/// A call that runs takes two statements, and a replay takes one. The store's own connections go back to
/// their pool only once a minute: when a connection goes back, sqlx asks the server whether it still lives,
/// which would double the round trips. On an application's pool it does. Expired records are
/// [swept](super::PostgresStoreBuilder::sweep_every) in small batches, which neither wait for calls nor make
/// calls wait.
///
/// # Groups
///
/// A commit takes as long as the server's disk does, however much it commits. So on connections of the store's own,
/// changes that arrive while others are under way leave together, as one statement and one commit: reservations, results,
/// and the steps that calls write to their journals. A change that is alone leaves at once. Each caller has its own answer, and a member that the server refuses, or whose key a
/// transaction holds, is asked for alone, so that it delays nobody else. Replays wait for no commit, and renewals
/// for no result. [`group_commits`](super::PostgresStoreBuilder::group_commits) says more, and switches it on for a
/// pool of the application.
///
/// # When the server fails
///
/// Every step ends within [`response_timeout`](super::PostgresStoreBuilder::response_timeout), including the
/// wait for a connection, and may be repeated. A statement whose connection was lost is sent again on another
/// connection, within the same time. So is one that was refused because the server accepts no more writes, as an
/// old primary does after a failover: its connections are closed, so the store follows the server's name without
/// a restart. So is one that the server refused because of a conflict, which happens
/// if the default isolation level is `SERIALIZABLE`. If no connection of the pool is free, the error is
/// [`StoreErrorKind::Timeout`](crate::store::StoreErrorKind::Timeout); but leases are renewed on a connection of
/// their own, opened at the first renewal, which also records results while no other one is free. Missing tables, missing rights, a
/// standby and a closed pool are [`Unavailable`](crate::store::StoreErrorKind::Unavailable), each with a
/// message that says so. On a standby results are replayed, and everything else fails: what a standby shows of
/// a running call may be older than on its primary.
///
/// # Notifications
///
/// A process that waits for a call of another process marks its row and listens, on one connection beside the
/// pool. When the call ends, `NOTIFY` wakes the waiter. A call that nobody waits for sends no notification,
/// since notifications take a lock that all commits of a database share. A purge always sends one, for
/// [`NearCache`](crate::backends::NearCache)s. A lost notification delays a waiter by at most
/// [half a second](super::PostgresStoreBuilder::wait_pauses).
///
/// # Limits
///
/// * The guarantees are as durable as the server's commits. With `fsync` or `synchronous_commit` off, a
///   crash loses reservations and results. So does a failover to a standby that has not received them yet,
///   unless replication is synchronous.
/// * Leases are measured by the server's wall clock. Setting it back extends them, setting it forward ends
///   them early.
/// * A proxy such as `PgBouncer` may share connections between sessions. If it shares them between transactions
///   (`pool_mode = transaction`), it has to carry prepared statements, as `PgBouncer` does from 1.21 with
///   `max_prepared_statements`. Give the store a [pool](super::PostgresSource) for it, since connections of the
///   store's own come with settings of a session, and switch [`notify`](super::PostgresStoreBuilder::notify) off. The
///   first use of a statement on each server fails a check, after which another connection is tried.
/// * For TLS, add `sqlx` to your dependencies with one of its `tls` features.
/// * Each record is a row that contains the result, so the table has about as many rows as there are calls
///   within their `ttl`. Autovacuum must keep up with as many deletions as there are calls.
#[derive(Clone)]
pub struct PostgresStore(pub(super) Arc<Inner>);

impl PostgresStore {
    /// Creates the store's tables if they are missing, and migrates them if they are too old.
    /// [`connect`](Self::connect) has done that already, unless it was
    /// [switched off](super::PostgresStoreBuilder::migrate).
    ///
    /// Any number of processes may migrate at once. If the tables are up to date, this only reads, and needs
    /// no right to create anything.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or the user lacks the right to create tables.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let migrated = async {
            let mut acquired = self.0.connection.acquire().await?;
            schema::migrate(acquired.connection()?, &self.0.names).await?;
            acquired.put_back();
            Ok(())
        };
        self.0.named(migrated.await.map_err(store_error))
    }

    /// The versions of the schema from 1 on, each with its SQL, under this store's names: for migration tools
    /// of your own. Run each version once, in its order, in a transaction of its own. The SQL also records
    /// that the version has run. The same as
    /// [`PostgresStoreBuilder::migrations`](super::PostgresStoreBuilder::migrations), which needs no server.
    pub fn migrations(&self) -> impl Iterator<Item = (i32, String)> + '_ {
        schema::migrations(&self.0.names)
    }

    /// Removes all expired records, in batches, and returns how many they were. The store does that in the
    /// background [once a minute](super::PostgresStoreBuilder::sweep_every), so this is for jobs of your own.
    ///
    /// ```no_run
    /// # async fn nightly() -> Result<(), idempotent_core::store::StoreError> {
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// let builder = PostgresStore::builder("postgres://shop@127.0.0.1/shop");
    /// let swept = builder.sweep_every(None).connect().await?.sweep().await?;
    /// println!("removed {swept} expired records");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the server cannot be reached. What was removed by then stays removed.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.0.named(sweep_all(&*self.0).await)
    }

    /// Closes this store and all of its clones: ends the background tasks, closes the store's own
    /// connections, and waits until that is done. Statements that run now are completed first. A pool of
    /// the application stays open, and the store can still be used on it.
    ///
    /// Dropping the last clone does the same without waiting.
    pub async fn close(&self) {
        self.0.tasks.stop().await;
        self.0.connection.close().await;
    }

    /// What the server says about itself: settings by their names, as a new session has them; what is set for roles and
    /// databases, as `role shop: statement_timeout`; and `in_recovery`, `replicas`, `time` in seconds since 1970,
    /// `table_persistence` and `table_autovacuum` of the records' table, and `expired_records`, those that have expired more
    /// than ten minutes ago and are still there, at most 10,000. For tools; no call needs it.
    ///
    /// ```no_run
    /// # async fn look(store: idempotent_core::backends::PostgresStore) -> Result<(), idempotent_core::store::StoreError> {
    /// let settings = store.server_settings().await?;
    /// println!("{}: {:?}", settings.server, settings.get("fsync"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub async fn server_settings(&self) -> Result<ServerSettings, StoreError> {
        self.0.ready().await?;
        self.0.named(settings::settings(&self.0).await)
    }

    /// The pool and the names, for tables beside the records.
    pub(crate) fn pool_and_names(&self) -> (&ConnectionPool, &TableNames) {
        (self.0.connection.pool(), &self.0.names)
    }
}

#[async_trait]
impl Journal for PostgresStore {
    fn fences_by_suspend(&self) -> bool {
        true
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(groups::write_step(&self.0, request).await)?;
        self.0.connection.wrote();
        Ok(outcome)
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
        let outcome = self.0.named(journal::resume(&self.0, request).await)?;
        self.0.connection.wrote();
        Ok(outcome)
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        self.0.named(journal::suspend(&self.0, request).await)?;
        self.0.connection.wrote();
        self.0.notifications.notifier.ended(request.id.hash());
        Ok(())
    }
}

#[async_trait]
impl DueCalls for PostgresStore {
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
impl Store for PostgresStore {
    fn server(&self) -> Option<&str> {
        Some(self.0.server())
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        self.0.ready().await?;
        self.0.named(check::check(&self.0).await)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.0.ready().await?;
        // If the runtime of a background task is gone, the task goes on here.
        self.0.notifications.restart(&self.0.tasks);
        self.0.sweeper.start(&self.0.tasks, &self.0);
        let outcome = self.0.named(groups::reserve(&self.0, request).await)?;
        if matches!(outcome, ReserveOutcome::Won) {
            self.0.connection.wrote();
        }
        Ok(outcome)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(groups::renew(&self.0, request).await)?;
        self.0.connection.wrote();
        Ok(outcome)
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(groups::complete(&self.0, request).await)?;
        self.0.connection.wrote();
        self.0.notifications.notifier.ended(request.id.hash());
        Ok(outcome)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        self.0.named(groups::release(&self.0, request).await)?;
        self.0.connection.wrote();
        self.0.notifications.notifier.ended(request.id.hash());
        Ok(())
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        self.0.named(groups::abandon(&self.0, request).await)?;
        self.0.notifications.notifier.ended(request.id.hash());
        Ok(())
    }

    /// Never fails: a server that cannot be reached may be back before the waiter's time is up.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        notify::wait(&self.0, request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.ready().await?;
        self.0.named(load::load(&self.0, id).await)
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.0.ready().await?;
        let found = self.0.named(release::purge(&self.0, id).await);
        // Even if the answer was lost.
        self.0.notifications.notifier.purged(id.hash());
        found
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(groups::correct(&self.0, request).await);
        // Even if the answer was lost.
        self.0.notifications.notifier.purged(request.id.hash());
        outcome
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.ready().await?;
        self.0.named(scan::scan(&self.0, request).await)
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        self.0.ready().await?;
        self.0.named(scope_use::scope_use(&self.0, scope, up_to).await).map(Some)
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        self.0.notifications.observe_purges(&self.0.tasks, observer)
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
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("names", &self.0.names).finish_non_exhaustive()
    }
}
