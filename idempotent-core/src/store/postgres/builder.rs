//! How a [`PostgresStore`] is set up.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::PostgresStore;
use super::error::store_error;
use super::link::Link;
use super::names::Names;
use super::shared::Shared;
use crate::store::StoreError;

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECTIONS: u32 = 10;

/// Sets up a [`PostgresStore`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct PostgresStoreBuilder {
    source: Source,
    names: Names,
    connections: u32,
    timeout: Duration,
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

    /// How many connections the store has at most. Default: 10. Not for a pool, which has its own
    /// limit.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// The longest that a call may take, waiting for a connection included. Default: one second.
    ///
    /// Keep it well below the shortest lease.
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
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
        let pool = match self.source {
            Source::Pool(pool) => pool,
            Source::Url(url) => {
                let options = PgConnectOptions::from_str(&url).map_err(store_error)?;
                // A connection that was lost is found out by the question that goes over it, which
                // then takes another: asking every time whether it lives would double the trips.
                let pool = PgPoolOptions::new()
                    .max_connections(self.connections.max(1))
                    .test_before_acquire(false)
                    .acquire_timeout(self.timeout);
                pool.connect_lazy_with(options)
            }
        };
        let link = Link::new(pool, self.timeout);
        drop(link.connection().await.map_err(store_error)?);
        Ok(PostgresStore(Arc::new(Shared::new(link, self.names))))
    }
}

impl fmt::Debug for PostgresStoreBuilder {
    /// Without the URL, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("names", &self.names)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
