//! The store itself: what it promises, and the contract on top of the transitions.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

#[cfg(doc)]
use super::RedisStoreBuilder;
use super::error::store_error;
use super::shared::Shared;
use super::{
    abandon, check, complete, correct, due, due_key, journal, release, renew, reserve, scan,
    settings,
};
use crate::backends::shared::server_settings::ServerSettings;
use crate::model::{RecordId, StepEntry, StepId, Token};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Due, DueCall, DueCalls, Entry,
    Journal, Page, PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Resume,
    ResumeOutcome, Scan, Store, StoreError, StoreHealth, Suspend, Wait, WriteStep,
    WriteStepOutcome,
};

/// A store in Redis or Valkey: any number of processes share the records of one server, one Sentinel
/// group or one Redis Cluster.
///
/// It needs Redis 7.0 or Valkey 7.2, or newer. Winning a key and replaying a result are one plain
/// command each, and a record is one key, which expires by itself. A call with [steps] has a second key while it is not
/// completed, and each step is one script.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::RedisStore;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
/// idempotent_core::install(Idempotency::new(store))?;
/// # Ok(()) }
/// ```
///
/// Clones share everything.
///
/// # When a server fails
///
/// Every call ends within [`response_timeout`](RedisStoreBuilder::response_timeout), or twice that if it
/// takes more than one command, and may be repeated. Reservations and completions that wait for
/// [replicas](RedisStoreBuilder::min_replicas) take up to twice their timeout longer. A connection that
/// is lost or goes silent is replaced in the background, with growing pauses, and a command whose answer
/// was lost with it is sent once more within its time.
///
/// A server that has reached its `maxmemory` refuses new reservations, which is
/// [`StoreErrorKind::Full`](crate::store::StoreErrorKind::Full), and no step *at most once* begins; results replay, steps
/// are recorded, suspended calls resume, and running calls can end. A server that refuses writes because it has too few replicas is
/// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable); results replay, but running
/// calls cannot end.
///
/// # Connections
///
/// A store has three connections to a server, which calls share by their keys, so that with many calls at
/// once both ends are kept busy. They are replaced together. In a cluster it has one connection to each
/// node, and a store built on an existing connection has that one.
///
/// [`close`](Self::close) ends them, and the background tasks. So does dropping the last clone, without
/// waiting for it.
///
/// # Notifications between processes
///
/// Whoever waits for a call of another process is woken by a message, within about a millisecond. For
/// that, each store subscribes to one sharded channel, `idem:wake` with the default prefix, over a
/// connection of its own, from its first reservation on. While nobody waits, it publishes only a greeting,
/// and purges, for the [`NearCache`](crate::backends::NearCache)s of other processes.
///
/// All of that is optional. If a message is lost, if the user lacks permission for the channel
/// (`ACL SETUSER … &idem:wake` grants it), or if the store was built on an existing connection, waiters
/// take up to [half a second](RedisStoreBuilder::wait_pauses) longer, and near caches lose their copies.
///
/// # What it keeps
///
/// Redis forgets a lapsed reservation under *at least once*: [`scan`](Store::scan) never returns one.
/// Under *at most once* it is kept for its retention, as
/// [`State::Indeterminate`](crate::store::State::Indeterminate), and so is a call with [steps], as
/// [`State::Suspended`](crate::store::State::Suspended). The end of a retention is not logged: the server does not tell.
/// A scan reads one server after the other.
/// It returns every record that stays in place, and may return one twice, also after a failover.
///
/// Replication is asynchronous: a failover loses what no replica had yet, and two sides of a partition may
/// both grant a key, unless [`min_replicas`](RedisStoreBuilder::min_replicas) says how many replicas must
/// have it first.
///
/// The guarantees are only as durable as the server's records. [`require_durable`] refuses a server that
/// evicts records, keeps none across a restart, or may elect a replica that has none. By default that is a
/// warning in the log. A call whose journal was evicted, and whose record was not, is refused as malformed.
///
/// # Keys
///
/// The key of a record is `{prefix}{operation}:{hash}`, and that of its journal has it in braces in the place of the hash:
/// `idem:shop.charge:{idem:shop.charge:5c83…}`. Both are in the same slot of a cluster, and a pattern of an ACL such as
/// `~idem:*` covers both. A call with steps needs the commands `HSET`, `HSETNX`, `HGET`, `HMGET`, `HGETALL` and `UNLINK` in
/// addition, and a scan for what is [in doubt](crate::store::Scan::in_doubt) `HLEN` and `HSCAN`: without these all journals of suspended
/// calls are sent.
///
/// # Calls that recovery resumes
///
/// A call with [`resume`](crate::call::CallBuilder::resume) is reserved by one script, which also notes in a sorted set when
/// the call is due; whatever ends the call removes it there in the same step. So no crash and no failover parts the two.
/// Each operation has a set: `idem:due{shop.checkout}`. Without `resume` nothing of this is sent.
///
/// | servers | sets | a look for calls that are due |
/// |---|---|---|
/// | one server, or Sentinel | one for each operation | one command |
/// | a cluster | one for each operation and slot, where the records are: `idem:due{aB3}shop.checkout` | `CLUSTER SLOTS`, and one command to each primary that has a sixteenth of the slots |
/// | a cluster, with a prefix that is a hash tag | as on one server | one command |
///
/// In a cluster a [`Recovery`](crate::engine::Recovery) looks at a sixteenth of the slots each time, beginning anywhere and
/// going on to the next one whatever it has found, so it comes to every call within sixteen
/// [looks](crate::engine::Recovery::poll_every), and sooner the more processes there are. It takes as many of those that
/// came first there as it may [run at once](crate::engine::Recovery::concurrency), so with more to do than it can do, the
/// order is that of each sixteenth alone. A look at a sixteenth is 1024 reads for each operation: 2 ms of the server's time
/// where one server takes 0.05 ms, with a hundred thousand calls in the index as with none. A `ClusterConnection` of the
/// application does not tell which server has which slots: there each primary is asked for all of the sixteenth. The calls
/// of a slot that is being moved are found after the
/// move, and one of them may be refused meanwhile as unavailable, as every command with two keys is.
///
/// A standalone client of a server in cluster mode has no slots, and its calls with `resume` are refused by the server: use
/// [`RedisSource::cluster`](super::RedisSource::cluster). A server that evicts keys may evict a set alone; its calls are then
/// resumed by their callers only, until something reserves or suspends them again. Sets do not expire, as a call may be
/// renewed for as long as it runs: an entry that outlives its call, because the retention was over first, goes at the next
/// look of a recovery of its operation. Of an operation that no process recovers any more, delete the sets by hand. The commands `ZADD`, `ZREM`, `ZSCORE`, `ZRANGEBYSCORE` and `TIME` are needed in addition.
///
/// [steps]: crate::guide::calls_of_several_effects
/// [`require_durable`]: RedisStoreBuilder::require_durable
#[derive(Clone)]
pub struct RedisStore(pub(super) Arc<Shared>);

impl RedisStore {
    /// Closes the store, for all its clones: lets no further calls begin, waits for the commands in
    /// flight and for what is still to be published, then ends the background tasks and the connections,
    /// and waits for the tasks.
    ///
    /// It takes up to twice the [response timeout](RedisStoreBuilder::response_timeout), and longer
    /// with [`min_replicas`](RedisStoreBuilder::min_replicas); if a runtime in which the store was used still exists and
    /// nobody drives it any more, 30 seconds more. A call that takes more than one command and
    /// has not sent all of them fails, so await calls before. Every later call fails with
    /// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable). Closing a closed store
    /// does nothing. An existing connection that the application passed in stays open.
    ///
    /// ```no_run
    /// # async fn stop(store: idempotent_core::backends::RedisStore) {
    /// store.close().await;
    /// # }
    /// ```
    pub async fn close(&self) {
        self.0.close().await;
    }

    /// What each primary says about itself: the lines of its `INFO`, the settings that matter to records as `CONFIG GET`
    /// names them, and its `time` in seconds since 1970. For tools; no call needs it.
    ///
    /// ```no_run
    /// # async fn look(store: idempotent_core::backends::RedisStore) -> Result<(), idempotent_core::store::StoreError> {
    /// for server in store.server_settings().await? {
    ///     println!("{}: {:?}", server.server, server.get("maxmemory_policy"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If a server cannot be reached.
    pub async fn server_settings(&self) -> Result<Vec<ServerSettings>, StoreError> {
        self.0.ready().await?;
        self.0.named(settings::settings(&self.0).await)
    }
}

#[async_trait]
impl Store for RedisStore {
    /// Twice the [response timeout](RedisStoreBuilder::response_timeout): once for the first command of a
    /// transition, and once for all the others. `None` with
    /// [`min_replicas`](RedisStoreBuilder::min_replicas), which has a timeout of its own.
    fn response_timeout(&self) -> Option<Duration> {
        self.0.response_timeout()
    }

    fn server(&self) -> Option<&str> {
        Some(&self.0.servers)
    }

    /// Sends a write that finds nothing to change, so a server that accepts none says so, and to a cluster a `PING`
    /// for each primary.
    async fn check(&self) -> Result<StoreHealth, StoreError> {
        self.0.ready().await?;
        self.0.named(check::check(&self.0).await)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.0.ready().await?;
        // Whoever has a reservation must hear that somebody waits for its end.
        self.0.notifier.start();
        self.0.named(reserve::reserve(&self.0, request).await)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.ready().await?;
        self.0.named(renew::renew(&self.0, request).await)
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(complete::complete(&self.0, request).await)?;
        self.0.notifier.call_ended(request.id);
        Ok(outcome)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        self.0.named(release::release(&self.0, request).await)?;
        self.0.notifier.call_ended(request.id);
        Ok(())
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        self.0.named(abandon::abandon(&self.0, request).await)?;
        self.0.notifier.call_ended(request.id);
        Ok(())
    }

    /// Fails only if the store is closed: servers that cannot be reached may be back before the waiter's
    /// time is up.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.0.check_open()?;
        let (shared, key) = (Arc::clone(&self.0), self.0.keys.of(request.id));
        let load = move || {
            let (shared, key) = (Arc::clone(&shared), key.clone());
            async move { shared.load(&key).await }
        };
        self.0.notifier.wait(request, load).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.ready().await?;
        self.0.named(self.0.load(&self.0.keys.of(id)).await)
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.0.ready().await?;
        let found = self.0.named(release::purge(&self.0, id).await)?;
        self.0.named(self.0.notifier.purged(id).await.map_err(store_error))?;
        Ok(found)
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.0.ready().await?;
        let outcome = self.0.named(correct::correct(&self.0, request).await);
        // Even if the answer was lost.
        self.0.named(self.0.notifier.purged(request.id).await.map_err(store_error))?;
        outcome
    }

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

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        self.0.check_open().is_ok() && self.0.notifier.observe_purges(observer)
    }
}

#[async_trait]
impl Journal for RedisStore {
    fn response_timeout(&self) -> Option<Duration> {
        self.0.response_timeout()
    }

    fn fences_by_suspend(&self) -> bool {
        true
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        self.0.ready().await?;
        self.0.named(journal::write_step(&self.0, request).await)
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        self.0.ready().await?;
        self.0.named(journal::load_steps(&self.0, id, journal).await)
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        self.0.ready().await?;
        // As for every reservation.
        self.0.notifier.start();
        self.0.named(journal::resume(&self.0, request).await)
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        self.0.ready().await?;
        self.0.named(journal::suspend(&self.0, request).await)?;
        self.0.notifier.call_ended(request.id);
        Ok(())
    }
}

#[async_trait]
impl DueCalls for RedisStore {
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
        self.0.ready().await?;
        self.0.named(due::due(&self.0, request).await)
    }

    /// In a cluster 16, unless the prefix is a hash tag.
    fn parts(&self) -> u32 {
        if self.0.keys.are_by_slot() { due_key::PARTS } else { 1 }
    }

    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError> {
        self.0.ready().await?;
        self.0.named(due::due_in(&self.0, id).await)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("client", &self.0.client)
            .field("prefix", &self.0.keys.prefix())
            .field("compare", &self.0.compare)
            .finish_non_exhaustive()
    }
}
