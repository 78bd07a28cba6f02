//! How a [`PostgresStore`] is set up.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlSafeStr};

use super::PostgresStore;
use super::error::store_error;
use super::link::Link;
use super::names::Names;
use super::shared::Shared;
use super::sweep::Sweeper;
use super::wake::{Hub, Way};
use crate::store::wake::Looks;
use crate::store::{StoreError, StoreErrorKind};

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 10;
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The pauses of a waiter: whoever is notified looks in case that fails, and whoever is not has to.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const FIRST_PAUSE_UNNOTIFIED: Duration = Duration::from_millis(10);

/// Sets up a [`PostgresStore`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct PostgresStoreBuilder {
    source: Source,
    names: Names,
    connections: u32,
    timeout: Duration,
    sweep_every: Option<Duration>,
    notify: bool,
    looks: Option<Looks>,
}

/// Where the connections come from.
#[derive(Clone)]
enum Source {
    Url(String),
    Pool(PgPool),
}

impl PostgresStoreBuilder {
    pub(super) fn url(url: String) -> Self {
        Self::new(Source::Url(url))
    }

    pub(super) fn pool(pool: PgPool) -> Self {
        Self::new(Source::Pool(pool))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            names: Names::default(),
            connections: CONNECTIONS,
            timeout: RESPONSE_TIMEOUT,
            sweep_every: Some(SWEEP_EVERY),
            notify: true,
            looks: None,
        }
    }

    /// The schema of the store's tables, which [`migrate`](PostgresStore::migrate) makes if it is
    /// missing. Default: `idempotent`. Letters, digits, `_` and `-`, at most 63 bytes; capitals
    /// count.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.names.set_schema(schema.into());
        self
    }

    /// The table of the store's records, and what the names of its other tables, indexes and
    /// functions begin with. Default: `records`. Letters, digits, `_` and `-`, at most 40 bytes;
    /// capitals count.
    ///
    /// Stores of different tables do not see each other's records.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.names.set_table(table.into());
        self
    }

    /// How many connections the store has at most. Default: 10. Its [outbox](crate::outbox) has as many
    /// of its own, once it is used. Not for a pool, which has its own limit.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// The longest that a call may take, waiting for a connection included. Default: one second.
    ///
    /// Keep it well below the shortest lease. Connections of the store's own give up a lock after that
    /// long, too (`lock_timeout`); set that on a pool of the application's, or what its calls left
    /// waiting piles up on the server while a table is locked.
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often what is over is swept out of the table. Default: once a minute, from the first
    /// reservation on. At least ten milliseconds.
    ///
    /// Any number of processes may sweep at once: each takes batches of 500 records that nobody else
    /// holds, with pauses in between. A record that is over counts as gone, swept or not.
    pub const fn sweep_every(mut self, pause: Duration) -> Self {
        self.sweep_every = Some(pause);
        self
    }

    /// Sweeps nothing: for processes beside one that does, or that calls
    /// [`PostgresStore::sweep`] when it pleases.
    pub const fn without_sweeper(mut self) -> Self {
        self.sweep_every = None;
        self
    }

    /// Whether waiters and near caches hear of other processes by `LISTEN` and `NOTIFY`. Default:
    /// they do, over one connection beside the pool, which is made when somebody first waits.
    ///
    /// Without, waiters only look, with [`wait_pauses`](Self::wait_pauses), and a
    /// [`NearCache`](crate::store::NearCache) does not hear of purges. That is what a proxy asks for
    /// which shares connections between transactions.
    pub const fn notify(mut self, notify: bool) -> Self {
        self.notify = notify;
        self
    }

    /// The pauses after which somebody who waits for another process's call looks whether it ended:
    /// they begin with `first` and double up to `longest`. Default: 100 milliseconds, half a second;
    /// without [`notify`](Self::notify) 10 milliseconds, half a second. At least one millisecond, at
    /// most a day.
    pub fn wait_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.looks = Some(Looks::new(first, longest));
        self
    }

    /// Connects, and makes sure that the server answers. The tables need not be there yet:
    /// [`migrate`](PostgresStore::migrate) makes them.
    ///
    /// # Errors
    ///
    /// If the URL is none or a name is not allowed, or the server cannot be reached or refuses the
    /// login.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        self.names.check()?;
        let link = match self.source {
            Source::Pool(pool) => Link::new(pool, self.timeout),
            Source::Url(url) => {
                let pool = || own_pool(&url, self.connections, self.timeout);
                Link::new(pool()?, self.timeout).keeping(pool()?)
            }
        };
        link.connection().await.map_err(store_error)?.keep();
        let first = if self.notify { FIRST_PAUSE } else { FIRST_PAUSE_UNNOTIFIED };
        let looks = self.looks.unwrap_or_else(|| Looks::new(first, LONGEST_PAUSE));
        let way = self
            .notify
            .then(|| Way { pool: link.pool().clone(), channel: self.names.channel().into() });
        let (hub, sweeper) = (Hub::new(way, looks), Sweeper::new(self.sweep_every));
        Ok(PostgresStore(Arc::new(Shared::new(link, self.names, hub, sweeper))))
    }
}

fn own_pool(url: &str, connections: u32, timeout: Duration) -> Result<PgPool, StoreError> {
    // sqlx would take any scheme.
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(StoreError::new(StoreErrorKind::Unavailable, "the URL is not one of postgres"));
    }
    let options = PgConnectOptions::from_str(url).map_err(store_error)?;
    let patience = timeout.as_millis().clamp(1, 86_400_000);
    // A plan that was made while the table was empty would read all of it when it no longer is.
    let settings = format!("SET lock_timeout = {patience}; SET enable_seqscan = off");
    let settings = AssertSqlSafe(settings).into_sql_str();
    // A connection that was lost is found out by the question that goes over it, which then takes
    // another: asking every time whether it lives would double the trips.
    let pool = PgPoolOptions::new()
        .max_connections(connections.max(1))
        .test_before_acquire(false)
        .acquire_timeout(timeout)
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move { sqlx::raw_sql(settings).execute(connection).await.map(drop) })
        });
    Ok(pool.connect_lazy_with(options))
}

impl fmt::Debug for PostgresStoreBuilder {
    /// Without the URL, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("names", &self.names)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("sweep_every", &self.sweep_every)
            .field("notify", &self.notify)
            .finish_non_exhaustive()
    }
}
