//! How a [`RedisStore`] is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{Client, ClientTlsConfig, TlsCertificates};

use super::RedisStore;
use super::compares::Compares;
use super::error::store_error;
use super::key::Keys;
use super::link::{Connection, Limits, Link};
use super::replicas::{Need, Replicas};
use super::script::Scripts;
use super::server::{self, Demand};
use super::shared::Shared;
use super::target::{Login, Target};
use super::wake::Hub;
use crate::store::StoreError;
use crate::store::wake::Looks;

const PREFIX: &str = "idem:";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IN_FLIGHT: usize = 4096;

/// Sets up a [`RedisStore`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct RedisStoreBuilder {
    target: Target,
    login: Login,
    certificates: Option<TlsCertificates>,
    prefix: String,
    limits: Limits,
    demand: Demand,
    need: Option<Need>,
    scripts_only: bool,
    looks: Looks,
}

/// A connection that the application already has, for [`RedisStore::from_connection`].
#[derive(Clone)]
pub struct RedisConnection(Connection);

impl RedisStoreBuilder {
    pub(super) fn url(url: String) -> Self {
        Self::new(Target::Url(url))
    }

    pub(super) fn client(client: Client) -> Self {
        Self::new(Target::Client(client))
    }

    pub(super) fn connection(connection: RedisConnection) -> Self {
        Self::new(Target::Connection(connection.0))
    }

    #[cfg(feature = "redis-sentinel")]
    pub(super) fn sentinel(urls: Vec<String>, group: String) -> Self {
        Self::new(Target::Sentinel { urls, group })
    }

    #[cfg(feature = "redis-cluster")]
    pub(super) fn cluster(urls: Vec<String>) -> Self {
        Self::new(Target::Cluster(urls))
    }

    fn new(target: Target) -> Self {
        Self {
            target,
            login: Login::default(),
            certificates: None,
            prefix: PREFIX.to_owned(),
            limits: Limits {
                response: RESPONSE_TIMEOUT,
                connect: CONNECT_TIMEOUT,
                in_flight: IN_FLIGHT,
            },
            demand: Demand::Warn,
            need: None,
            scripts_only: false,
            looks: Looks::default(),
        }
    }

    /// What every key begins with. Default: `idem:`.
    ///
    /// Stores of different prefixes do not see each other's records. A prefix with `{braces}` puts
    /// all records of a cluster on one node.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The user to log in as, in place of the URL's. Not for a client or a connection, which have
    /// theirs.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.login.username = Some(username.into());
        self
    }

    /// The password to log in with, in place of the URL's.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.login.password = Some(password.into());
        self
    }

    /// The number of the database, in place of the URL's. Default: 0.
    pub fn database(mut self, database: i64) -> Self {
        self.login.database = Some(database);
        self
    }

    /// The authorities that TLS trusts, in PEM, in place of the system's.
    ///
    /// TLS is rustls with the process's default cryptography; where the application installed none,
    /// the store installs *ring*.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates_mut().root_cert = Some(pem.into());
        self
    }

    /// The certificate and the key that TLS shows to the servers, in PEM. Default: none.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        let (client_cert, client_key) = (certificate.into(), key.into());
        self.certificates_mut().client_tls = Some(ClientTlsConfig { client_cert, client_key });
        self
    }

    /// The longest that one question to a server may take, waiting for a connection included.
    /// Default: one second.
    ///
    /// Keep it well below the shortest lease. A call of [`RedisStore`] asks once as a rule. To reserve, to
    /// complete or to release takes twice that at most, however much has to be asked, unless
    /// [replicas](Self::min_replicas) are waited for.
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.limits.response = timeout;
        self
    }

    /// The longest that one attempt to connect may take. Default: two seconds.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect = timeout;
        self
    }

    /// How many questions may be on their way to the servers at once, at least one. Default: 4096.
    ///
    /// Further ones wait for their turn within their time, and cost nothing else: that bounds what
    /// piles up before a server that does not answer.
    pub const fn in_flight(mut self, questions: usize) -> Self {
        self.limits.in_flight = questions;
        self
    }

    /// Refuses servers that may lose records before their time, which otherwise is a warning: those
    /// that evict (`maxmemory-policy` other than `noeviction`: every record has a ttl, so the
    /// `volatile` policies evict them too), that keep nothing across a restart (neither
    /// `appendonly` nor `save`), or that elect a replica however stale it is
    /// (`cluster-replica-validity-factor 0`). Servers that do not let this be checked are refused
    /// too.
    ///
    /// Snapshots alone lose what came after the last one, and `appendfsync everysec` a second.
    pub const fn require_durable(mut self) -> Self {
        self.demand = Demand::Durable;
        self
    }

    /// Answers reservations and completions only once so many replicas of their primary have them,
    /// and fails them as [`Unavailable`](crate::store::StoreErrorKind::Unavailable) if that takes
    /// longer than `timeout`, counted in milliseconds and at least one. Default: none, replication
    /// is asynchronous. None has no effect.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::store::RedisStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = RedisStore::builder("redis://redis.internal:6379")
    ///     .min_replicas(1, Duration::from_millis(500))
    ///     .require_durable()
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    #[doc = include_str!("../../../docs/replicas.md")]
    pub const fn min_replicas(mut self, replicas: usize, timeout: Duration) -> Self {
        self.need = if replicas == 0 { None } else { Some(Need { replicas, within: timeout }) };
        self
    }

    /// Compares and sets by scripts also where the server has plain commands for it, as Valkey 8.1
    /// does: for proxies that do not let these pass.
    pub const fn scripts_only(mut self) -> Self {
        self.scripts_only = true;
        self
    }

    /// The pauses after which somebody who waits for another process's call looks whether it ended,
    /// in case no message says so: they begin with `first` and double up to `longest`. Default: 3
    /// milliseconds, half a second. At least one millisecond, at most a day.
    pub fn wait_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.looks = Looks::new(first, longest);
        self
    }

    /// Connects, and looks what the servers are.
    ///
    /// # Errors
    ///
    /// If the servers cannot be reached or refuse the login, are older than Redis 7.0 or Valkey
    /// 7.2, or do not meet [`require_durable`](Self::require_durable). If a server has fewer replicas
    /// than [`min_replicas`](Self::min_replicas) asks for, or the store was made of a connection and
    /// that asks for some.
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        let (demand, need) = (self.demand, self.need);
        let (limits, looks) = (self.limits, self.looks);
        let (prefix, scripts_only) = (self.prefix.clone(), self.scripts_only);
        let certificates = self.certificates.as_ref();
        let source = self.target.source(&self.login, certificates, limits).map_err(store_error)?;
        let link = Arc::new(Link::connect(source, limits).await.map_err(store_error)?);
        let servers = server::examine(&link, demand, need).await?;
        let replicas = need.map(|need| Replicas::new(Arc::clone(&link), need));
        let hub = Hub::new(Arc::clone(&link), &prefix, looks);
        Ok(RedisStore(Arc::new(Shared {
            hub,
            link,
            keys: Keys::new(prefix),
            scripts: Scripts::new(),
            replicas,
            compares: if scripts_only {
                Compares::new(false, false)
            } else {
                Compares::new(servers.set_if_equal, servers.delete_if_equal)
            },
        })))
    }

    fn certificates_mut(&mut self) -> &mut TlsCertificates {
        self.certificates.get_or_insert(TlsCertificates { client_tls: None, root_cert: None })
    }
}

impl From<MultiplexedConnection> for RedisConnection {
    fn from(connection: MultiplexedConnection) -> Self {
        Self(Connection::Multiplexed(connection))
    }
}

impl From<ConnectionManager> for RedisConnection {
    fn from(connection: ConnectionManager) -> Self {
        Self(Connection::Manager(connection))
    }
}

#[cfg(feature = "redis-cluster")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
impl From<redis::cluster_async::ClusterConnection> for RedisConnection {
    fn from(connection: redis::cluster_async::ClusterConnection) -> Self {
        Self(Connection::Cluster(connection))
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}

impl fmt::Debug for RedisStoreBuilder {
    /// Without the URLs, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("limits", &self.limits)
            .field("demand", &self.demand)
            .field("need", &self.need)
            .field("scripts_only", &self.scripts_only)
            .finish_non_exhaustive()
    }
}
