//! The store of a fleet: records in Redis or Valkey, one key each.
//!
//! [`reserve`], [`complete`], [`renew`] and [`release`] are the transitions, [`compares`] says which of
//! them plain commands can do, [`script`] does the rest; [`look`] says how a key's value and time become a
//! state, [`scan`] is the paging. [`wake`] is what the processes of a fleet say to each other. [`link`] is the
//! way to the servers, [`replicas`] the way that waits for their replicas, [`target`] where they are,
//! [`server`] what they are asked at the start. [`shared`] is what they all use.

mod builder;
mod compares;
mod complete;
mod error;
mod key;
mod link;
mod look;
mod release;
mod renew;
mod replicas;
mod reserve;
mod scan;
mod script;
mod server;
mod shared;
mod target;
mod wake;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

pub use self::builder::{RedisConnection, RedisStoreBuilder};
use self::error::store_error;
use self::shared::Shared;
use super::{
    Complete, CompleteOutcome, Entry, Observer, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Store, StoreError, Wait,
};
use crate::record::RecordId;

/// The store of a fleet: any number of processes share the records of one Redis or Valkey server,
/// Sentinel group or Redis Cluster.
///
/// It needs Redis 7.0 or Valkey 7.2, or newer. Winning a key and replaying a result are one plain
/// command each, and a record is one key, which expires by itself.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::store::RedisStore;
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
/// Every call ends within [`response_timeout`](RedisStoreBuilder::response_timeout), or twice that
/// where it takes two steps, and may be repeated; reservations and completions that wait for
/// [replicas](RedisStoreBuilder::min_replicas) take up to twice their time longer. A connection that
/// is lost, or over which nothing comes any more, is replaced in the background with growing pauses,
/// and a call whose answer was lost with it is sent once more within its time.
///
/// A server at its `maxmemory` refuses new reservations with
/// [`StoreErrorKind::Full`](crate::store::StoreErrorKind::Full); results replay, and running calls
/// can end. So it is, with
/// [`StoreErrorKind::Unavailable`](crate::store::StoreErrorKind::Unavailable), where a server
/// refuses writes for want of replicas, except that running calls cannot end there.
///
/// # Connections
///
/// A store has three connections to a server, which calls share by their keys, so that many calls at once
/// keep both ends at work. They are lost and replaced together. In a cluster it has one to each node, and
/// a store made of a [connection](Self::from_connection) has that one.
///
/// # What processes say to each other
///
/// Whoever waits for a call of another process is woken by a message within a millisecond or so. For
/// that, each store subscribes to one sharded channel, `idem:wake` with the default prefix, over one
/// connection of its own from its first reservation on. Nothing is published while nobody waits,
/// but for a greeting and for purges, of which a [`NearCache`](crate::store::NearCache) hears.
///
/// All of that is an addition. A lost message, a user without rights to the channel
/// (`ACL SETUSER … &idem:wake` gives them) or a store made of a
/// [connection](Self::from_connection) costs waiters up to
/// [half a second](RedisStoreBuilder::wait_pauses), and near caches their copies.
///
/// # What it keeps, and what not
///
/// Redis forgets a lapsed reservation under *at least once*: [`scan`](Store::scan) never shows one.
/// Under *at most once* it stays, as [`State::Indeterminate`](crate::store::State::Indeterminate),
/// for its retention. A scan reads server by server; it sees every record that stays put, and may
/// see one twice, also after a failover.
///
/// Replication is asynchronous: a failover loses what no replica had yet, and two sides of a
/// partition may both grant a key, unless [`min_replicas`](RedisStoreBuilder::min_replicas) says how
/// many replicas have to have it first.
///
/// The guarantees are only as durable as the server's records. [`require_durable`] refuses a server
/// that evicts records, keeps none across a restart, or elects replicas that have none; otherwise
/// that is a warning in the log.
///
/// [`require_durable`]: RedisStoreBuilder::require_durable
#[derive(Clone)]
pub struct RedisStore(Arc<Shared>);

impl RedisStore {
    /// Connects to one server: `redis://`, `rediss://` for TLS, `redis+unix://` or `unix://` for a
    /// socket, with everything else at its default.
    ///
    /// # Errors
    ///
    /// If the URL is none, the server cannot be reached, refuses the login, or is too old.
    pub async fn connect(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Sets up a store on one server.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::store::RedisStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = RedisStore::builder("rediss://redis.internal:6380")
    ///     .password(std::env::var("REDIS_PASSWORD").unwrap_or_default())
    ///     .response_timeout(Duration::from_millis(500))
    ///     .require_durable()
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::url(url.into())
    }

    /// Sets up a store on the server of a client that the application already has, over sockets that are
    /// set as the client says.
    ///
    /// A store of a URL sets `TCP_NODELAY`, and clients of the crate `redis` do not by default: a small
    /// write then waits while an answer is under way, up to a round trip, and leaves together with those
    /// that came meanwhile. Where the server is on the same machine, that saves work. Over a network it
    /// costs time: with a round trip of 4 milliseconds, 300 to 3,000 executions a second took 1.5 to 1.8
    /// times as long. A client that sets it:
    ///
    /// ```no_run
    /// use idempotent_core::store::RedisStore;
    /// use redis::io::tcp::TcpSettings;
    /// use redis::{Client, IntoConnectionInfo};
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = TcpSettings::default().set_nodelay(true);
    /// let info = "redis://redis.internal:6379".into_connection_info()?;
    /// let client = Client::open(info.set_tcp_settings(settings))?;
    /// let store = RedisStore::from_client(client).connect().await?;
    /// # Ok(()) }
    /// ```
    pub fn from_client(client: redis::Client) -> RedisStoreBuilder {
        RedisStoreBuilder::client(client)
    }

    /// Sets up a store on a connection that the application already has: a
    /// `MultiplexedConnection`, a `ConnectionManager`, or, with feature `redis-cluster`, a
    /// `ClusterConnection`.
    ///
    /// The connection's own timeouts hold beside the store's. A `MultiplexedConnection` that is
    /// lost stays lost. A connection does not tell where it leads, so whoever waits for another
    /// process's call polls.
    pub fn from_connection(connection: impl Into<RedisConnection>) -> RedisStoreBuilder {
        RedisStoreBuilder::connection(connection.into())
    }

    /// Sets up a store on a group that Sentinel watches, by the URLs of some of its sentinels and
    /// the group's name. A login in these URLs is for the sentinels;
    /// [`password`](RedisStoreBuilder::password) and its kind are for the servers. If the URLs ask
    /// for TLS, so do the servers.
    #[cfg(feature = "redis-sentinel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-sentinel")))]
    pub fn sentinel<U: Into<String>>(
        urls: impl IntoIterator<Item = U>,
        group: impl Into<String>,
    ) -> RedisStoreBuilder {
        RedisStoreBuilder::sentinel(urls.into_iter().map(Into::into).collect(), group.into())
    }

    /// Sets up a store on a Redis Cluster, by the URLs of some of its nodes.
    #[cfg(feature = "redis-cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisStoreBuilder {
        RedisStoreBuilder::cluster(urls.into_iter().map(Into::into).collect())
    }
}

#[async_trait]
impl Store for RedisStore {
    /// Twice the [response timeout](RedisStoreBuilder::response_timeout): once for a transition's first
    /// question, and once for all that it asks besides. With [`min_replicas`](RedisStoreBuilder::min_replicas),
    /// which has times of its own, none is promised.
    fn answers_within(&self) -> Option<Duration> {
        self.0.answers_within()
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        // Who holds a reservation must hear that somebody waits for its end.
        self.0.hub.start();
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

    /// Never fails: a store that cannot be asked may be back before the waiter's time is up.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        let (shared, key) = (Arc::clone(&self.0), self.0.keys.of(request.id));
        let look = move || {
            let (shared, key) = (Arc::clone(&shared), key.clone());
            async move { shared.look(&key).await }
        };
        self.0.hub.wait(request, look).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.look(&self.0.keys.of(id)).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let found = release::purge(&self.0, id).await?;
        self.0.hub.purged(id).await.map_err(store_error)?;
        Ok(found)
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        scan::scan(&self.0, request).await
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        self.0.hub.observe(observer)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("link", &self.0.link)
            .field("prefix", &self.0.keys.prefix())
            .field("compares", &self.0.compares)
            .finish_non_exhaustive()
    }
}
