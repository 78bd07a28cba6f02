//! Sets up a [`RedisStore`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::{ClientTlsConfig, TlsCertificates};
use tokio::runtime::Handle;

use super::background_tasks::BackgroundTasks;
use super::compare::CompareSupport;
use super::connection::{ChangingLogin, Client, Limits, Login};
use super::error::store_error;
use super::key::Keys;
use super::notify::Notifier;
use super::replicas::{MinReplicas, ReplicatedWriter};
use super::script::Scripts;
use super::server_check::Durability;
use super::shared::{Requirements, Shared};
use super::source::RedisSource;
use super::store::RedisStore;
use crate::backends::shared::credentials::{CredentialsProvider, Provider};
use crate::backends::shared::first_connection::{
    FirstConnection, connect_once, connect_within, no_runtime,
};
use crate::backends::shared::notify::PollPauses;
use crate::store::StoreError;

const PREFIX: &str = "idem:";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IN_FLIGHT: usize = 4096;

/// Sets up a [`RedisStore`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct RedisStoreBuilder {
    source: RedisSource,
    login: Login,
    certificates: Option<TlsCertificates>,
    prefix: String,
    limits: Limits,
    durability: Durability,
    min_replicas: Option<MinReplicas>,
    scripts_only: bool,
    pauses: PollPauses,
}

impl RedisStore {
    /// Connects, with everything else at its default. The source is a URL (`redis://`, `rediss://` for
    /// TLS, `redis+unix://` or `unix://` for a socket) or another [`RedisSource`].
    ///
    /// # Errors
    ///
    /// If the URL is invalid, or if the server cannot be reached, rejects the login or is too old.
    pub async fn connect(source: impl Into<RedisSource>) -> Result<Self, StoreError> {
        Self::builder(source).connect().await
    }

    /// Sets up a store on a source: a URL, or another [`RedisSource`].
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::RedisStore;
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
    pub fn builder(source: impl Into<RedisSource>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(source.into())
    }
}

impl RedisStoreBuilder {
    fn new(source: RedisSource) -> Self {
        Self {
            source,
            login: Login::default(),
            certificates: None,
            prefix: PREFIX.to_owned(),
            limits: Limits {
                response_timeout: RESPONSE_TIMEOUT,
                connect_timeout: CONNECT_TIMEOUT,
                in_flight: IN_FLIGHT,
            },
            durability: Durability::Warn,
            min_replicas: None,
            scripts_only: false,
            pauses: PollPauses::default(),
        }
    }

    /// What every key begins with. Default: `idem:`.
    ///
    /// Stores with different prefixes do not see each other's records. In a cluster, a prefix with
    /// `{braces}` puts all records on one node, and one with braces that are no hash tag is refused.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The user to log in as, in place of the URL's. It has no effect on a client or a connection, which
    /// have their own.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.login.username = Some(username.into());
        self
    }

    /// The password to log in with, in place of the URL's.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.login.password = Some(password.into());
        self
    }

    /// A provider of credentials that change, in place of those in the URL or the client. It is asked whenever a
    /// connection is opened, dedicated ones and those to the nodes of a cluster included. Default: none.
    ///
    /// With [`valid_for`](crate::backends::Credentials::valid_for) it is asked again after four fifths of that
    /// time, and every open connection logs in again. A provider that fails then is asked again soon. A group's
    /// sentinels keep the login in their URLs.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::{Credentials, RedisStore};
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = RedisStore::builder("rediss://redis.internal:6380")
    ///     .credentials(|| async {
    ///         let token = std::fs::read_to_string("/run/secrets/redis")?;
    ///         Ok(Credentials::new("shop", token.trim_end()).valid_for(Duration::from_secs(900)))
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the provider fails while a connection is opened, [`connect`](Self::connect) and the calls that need the
    /// connection fail with [`Unavailable`](crate::store::StoreErrorKind::Unavailable), "the provider of
    /// credentials failed". A store on an existing connection refuses a provider.
    pub fn credentials(mut self, provider: impl CredentialsProvider) -> Self {
        self.login.changing = Some(ChangingLogin::new(Provider::new(provider)));
        self
    }

    /// The number of the database, in place of the URL's. Default: 0.
    pub fn database(mut self, database: i64) -> Self {
        self.login.database = Some(database);
        self
    }

    /// The certificate authorities that TLS trusts, in PEM, in place of the system's.
    ///
    /// TLS is rustls with the process's default cryptography provider. If the application has installed
    /// none, the store installs *ring*.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates_mut().root_cert = Some(pem.into());
        self
    }

    /// The certificate that TLS presents to the servers, and its key, in PEM. Default: none.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        let (client_cert, client_key) = (certificate.into(), key.into());
        self.certificates_mut().client_tls = Some(ClientTlsConfig { client_cert, client_key });
        self
    }

    /// The longest that one command may take, including the wait for a connection. Default: one second.
    ///
    /// Keep it well below the shortest lease. A call of [`RedisStore`] usually sends one command. To
    /// reserve, to complete, to release or to write a step takes at most twice that, however many commands it
    /// takes, unless it waits for [replicas](Self::min_replicas).
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.limits.response_timeout = timeout;
        self
    }

    /// The longest that one attempt to connect may take. Default: two seconds.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// How many commands may be in flight at once, at least one. Default: 4096.
    ///
    /// Further ones wait within their time, and cost nothing else. So a bounded number piles up when a
    /// server does not answer.
    pub const fn in_flight(mut self, commands: usize) -> Self {
        self.limits.in_flight = commands;
        self
    }

    /// Refuses servers that may lose records too early. By default that is a warning in the log. These
    /// servers are refused:
    ///
    /// * those that evict records: any `maxmemory-policy` other than `noeviction`. Every record has a ttl,
    ///   so the `volatile` policies evict them too;
    /// * those that keep nothing across a restart: neither `appendonly` nor `save`;
    /// * those that may elect a replica however stale it is: `cluster-replica-validity-factor 0`;
    /// * those that do not let this be checked.
    ///
    /// Snapshots alone lose what was written after the last one, and `appendfsync everysec` loses up to a
    /// second.
    pub const fn require_durable(mut self) -> Self {
        self.durability = Durability::Require;
        self
    }

    /// Answers reservations, steps and completions only once this many replicas of their primary have them,
    /// and fails them as [`Unavailable`](crate::store::StoreErrorKind::Unavailable) if that takes longer
    /// than `timeout`, which counts in milliseconds and is at least one. Default: 0, which leaves
    /// replication asynchronous.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::RedisStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let store = RedisStore::builder("rediss://redis.internal:6379")
    ///     .min_replicas(1, Duration::from_millis(500))
    ///     .require_durable()
    ///     .connect()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    #[doc = include_str!("../../../docs/replicas.md")]
    pub const fn min_replicas(mut self, replicas: usize, timeout: Duration) -> Self {
        self.min_replicas =
            if replicas == 0 { None } else { Some(MinReplicas { count: replicas, timeout }) };
        self
    }

    /// Uses scripts to compare and set even if the server has plain commands for it, as Valkey 8.1 does:
    /// for proxies that do not let these pass.
    pub const fn scripts_only(mut self) -> Self {
        self.scripts_only = true;
        self
    }

    /// The pauses between two polls of a waiter for another process's call, in case no message says that
    /// it has ended. They begin with `first` and double up to `longest`. Default: 3 milliseconds and half
    /// a second. At least one millisecond, at most a day.
    pub fn wait_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.pauses = PollPauses::new(first, longest);
        self
    }

    /// Connects, and checks the servers.
    ///
    /// # Errors
    ///
    /// * If a URL is invalid, or, in a cluster, the [prefix](Self::prefix).
    /// * If the servers cannot be reached or reject the login.
    /// * If they are older than Redis 7.0 or Valkey 7.2, or do not meet
    ///   [`require_durable`](Self::require_durable).
    /// * If a server has fewer replicas than [`min_replicas`](Self::min_replicas) requires, or if it
    ///   requires some and the source is an existing connection.
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        let shared = self.build()?;
        connect_once(&*shared).await?;
        Ok(RedisStore(shared))
    }

    /// Connects as [`connect`](Self::connect) does, and tries again with growing pauses of up to half a second until
    /// it succeeds or `limit` is over: for a service that starts beside its Redis. What fails is tried again whatever
    /// the reason, and the first failure is logged as a warning; only a source that is invalid fails at once.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::RedisStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let builder = RedisStore::builder("rediss://redis.internal:6379");
    /// let store = builder.connect_with_retry(Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect): the last one, once `limit` is over.
    pub async fn connect_with_retry(self, limit: Duration) -> Result<RedisStore, StoreError> {
        let shared = self.build()?;
        connect_within(&*shared, limit).await?;
        Ok(RedisStore(shared))
    }

    /// Returns a store that connects in the background, so that a service can start before its Redis, and without
    /// it. It tries until it succeeds, with pauses of up to half a second, and checks the servers then as
    /// [`connect`](Self::connect) does. Calls before that wait for the first attempt, within the
    /// [response timeout](Self::response_timeout); after it they fail at once with what it met, until one succeeds.
    ///
    /// ```no_run
    /// use idempotent_core::Idempotency;
    /// use idempotent_core::backends::RedisStore;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = RedisStore::builder("rediss://redis.internal:6379").connect_lazy()?;
    /// idempotent_core::install(Idempotency::new(store))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If a URL is invalid, or if there is no tokio runtime.
    pub fn connect_lazy(self) -> Result<RedisStore, StoreError> {
        Handle::try_current().map_err(|_| no_runtime())?;
        let shared = self.build()?;
        shared.start_connecting();
        Ok(RedisStore(shared))
    }

    /// A store that has not connected yet.
    fn build(self) -> Result<Arc<Shared>, StoreError> {
        let (certificates, limits) = (self.certificates.as_ref(), self.limits);
        let connector = self.source.connector(&self.login, certificates, limits);
        let connector = connector.map_err(|error| store_error(error).at("redis"))?;
        let tasks = Arc::new(BackgroundTasks::new());
        let client = Arc::new(Client::new(connector, limits, &tasks));
        let keys = Keys::new(self.prefix);
        #[cfg(feature = "redis-cluster")]
        let keys = if client.has_slots() {
            keys.check_slots().map_err(|error| error.at("redis"))?;
            keys.in_cluster()
        } else {
            keys
        };
        let replicas = self.min_replicas.map(|min_replicas| {
            ReplicatedWriter::new(Arc::clone(&client), Arc::clone(&tasks), min_replicas)
        });
        let notifier =
            Notifier::new(Arc::clone(&client), Arc::clone(&tasks), keys.prefix(), self.pauses);
        Ok(Arc::new(Shared {
            servers: client.servers(),
            client,
            notifier,
            keys,
            scripts: Scripts::new(),
            replicas,
            compare: CompareSupport::new(false, false),
            tasks,
            is_closed: AtomicBool::new(false),
            requirements: Requirements {
                durability: self.durability,
                min_replicas: self.min_replicas,
                scripts_only: self.scripts_only,
            },
            first_connection: FirstConnection::new(),
        }))
    }

    fn certificates_mut(&mut self) -> &mut TlsCertificates {
        self.certificates.get_or_insert(TlsCertificates { client_tls: None, root_cert: None })
    }
}

impl fmt::Debug for RedisStoreBuilder {
    /// Without the URLs, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("source", &self.source)
            .field("prefix", &self.prefix)
            .field("limits", &self.limits)
            .field("durability", &self.durability)
            .field("min_replicas", &self.min_replicas)
            .field("scripts_only", &self.scripts_only)
            .finish_non_exhaustive()
    }
}
