//! From the options of a builder to a store that has connected, or will.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::Handle;

use super::autocommit::Connections;
use super::builder::PostgresStoreBuilder;
use super::connection::Connection;
use super::connection_pool::ConnectionPool;
use super::groups::{GroupOptions, Lanes};
use super::inner::Inner;
use super::notify::{Channel, Notifications};
use super::session;
use super::source::SourceKind;
use super::store::PostgresStore;
use super::url::{parse_url, warn_if_unprotected};
use crate::backends::shared::first_connection::{connect_once, connect_within, no_runtime};
use crate::backends::shared::notify::PollPauses;
use crate::backends::shared::sql::Sweeper;
use crate::store::StoreError;

/// A waiter that is notified polls only in case that fails; one that is not depends on it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const FIRST_PAUSE_UNNOTIFIED: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl PostgresStoreBuilder {
    /// Connects, and makes sure that the server answers and that the tables are there: see
    /// [`migrate`](Self::migrate).
    ///
    /// # Errors
    ///
    /// If the URL or a name is invalid; if the URL names a server on another machine and does not say whether
    /// to use [TLS](super::PostgresSource#tls); if the server cannot be reached or refuses the login; if the tables
    /// are missing or too old and may not be migrated, or cannot be.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        let inner = self.build()?;
        connect_once(&*inner).await?;
        inner.sweeper.start(&inner.tasks, &inner);
        Ok(PostgresStore(inner))
    }

    /// Connects as [`connect`](Self::connect) does, and tries again with growing pauses of up to half a second until
    /// it succeeds or `limit` is over: for a service that starts beside its PostgreSQL. What fails is tried again
    /// whatever the reason, and the first failure is logged as a warning; only a source or a name that is invalid
    /// fails at once.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let builder = PostgresStore::builder("postgres://shop@127.0.0.1/shop");
    /// let store = builder.connect_with_retry(Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect): the last one, once `limit` is over.
    pub async fn connect_with_retry(self, limit: Duration) -> Result<PostgresStore, StoreError> {
        let inner = self.build()?;
        connect_within(&*inner, limit).await?;
        inner.sweeper.start(&inner.tasks, &inner);
        Ok(PostgresStore(inner))
    }

    /// Returns a store that connects in the background, so that a service can start before its PostgreSQL, and
    /// without it. It tries until it succeeds, with pauses of up to half a second, and looks for its tables then as
    /// [`connect`](Self::connect) does, so it also [migrates](Self::migrate) them. Calls before that wait for the
    /// first attempt, within the [response timeout](Self::response_timeout); after it they fail at once with what it
    /// met, until one succeeds.
    ///
    /// ```no_run
    /// use idempotent_core::Idempotency;
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::builder("postgres://shop@127.0.0.1/shop").connect_lazy()?;
    /// idempotent_core::install(Idempotency::new(store))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the URL or a name is invalid, or if there is no tokio runtime.
    pub fn connect_lazy(self) -> Result<PostgresStore, StoreError> {
        let inner = self.build()?;
        inner.start_connecting();
        Ok(PostgresStore(inner))
    }

    /// The versions of the schema that have not run yet, each with its SQL: what [`connect`](Self::connect) would
    /// run if it may [migrate](Self::migrate), for a look before a deployment. It only reads, and connects for that
    /// alone.
    ///
    /// ```no_run
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn look() -> Result<(), idempotent_core::store::StoreError> {
    /// let builder = PostgresStore::builder("postgres://shop@127.0.0.1/shop");
    /// for (version, _sql) in builder.missing_migrations().await? {
    ///     println!("version {version} has not run yet");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the URL or a name is invalid, or if the server cannot be reached or refuses the login.
    pub async fn missing_migrations(self) -> Result<Vec<(i32, String)>, StoreError> {
        let inner = self.migrate(false).notify(false).build()?;
        let missing = inner.named(inner.missing_migrations().await);
        inner.connection.close().await;
        missing
    }

    /// A store that has not connected yet.
    fn build(self) -> Result<Arc<Inner>, StoreError> {
        // Pools of sqlx spawn a task when they are made.
        Handle::try_current().map_err(|_| no_runtime().at("postgres"))?;
        self.names.check()?;
        let connection = self.connection().map_err(|error| error.at("postgres"))?;
        let first = if self.notify { FIRST_PAUSE } else { FIRST_PAUSE_UNNOTIFIED };
        let pauses = self.wait_pauses.unwrap_or_else(|| PollPauses::new(first, LONGEST_PAUSE));
        let channel = self.notify.then(|| Channel {
            pool: self.listener_pool(&connection),
            name: self.names.channel().into(),
        });
        let notifications = Notifications::new(channel, pauses);
        let sweeper = Sweeper::new(self.sweep_every);
        let is_own = connection.connections() == Connections::Own;
        let options = GroupOptions {
            is_on: self.group_commits.unwrap_or(is_own),
            is_never_alone: self.never_alone,
            timeout: self.response_timeout,
            connections: connection.max_connections(),
        };
        let lanes = Lanes::new(&options);
        let inner = Inner::new(connection, self.names, lanes, notifications, sweeper, self.migrate);
        Ok(Arc::new(inner))
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        let options = match &self.source.0 {
            SourceKind::Pool(pool) => {
                warn_if_unprotected(&pool.connect_options());
                return Ok(self.connection_on(pool));
            }
            SourceKind::Options(options) => {
                warn_if_unprotected(options);
                PgConnectOptions::clone(options)
            }
            SourceKind::Url(url) => parse_url(url)?,
        };
        let pool = |connections| {
            let pool = session::own_pool(options.clone(), connections, self.response_timeout);
            ConnectionPool::new(pool).with_provider(self.credentials.clone())
        };
        let (queries, others) = (pool(self.max_connections), pool(self.max_connections));
        Ok(Connection::own(others, queries, pool(1), self.response_timeout))
    }

    /// On an application's pool, with a spare connection that is opened as those of the pool are.
    fn connection_on(&self, pool: &PgPool) -> Connection {
        let spare = pool
            .options()
            .clone()
            .max_connections(1)
            .min_connections(0)
            .idle_timeout(None)
            .acquire_timeout(self.response_timeout)
            .connect_lazy_with(PgConnectOptions::clone(&pool.connect_options()));
        let spare = ConnectionPool::new(spare).log_in_as(pool.clone());
        let spare = spare.with_provider(self.credentials.clone());
        Connection::shared(ConnectionPool::new(pool.clone()), spare, self.response_timeout)
    }

    /// What listens logs in as all connections do that the store opens.
    fn listener_pool(&self, connection: &Connection) -> ConnectionPool {
        connection.pool().clone().with_provider(self.credentials.clone())
    }
}
