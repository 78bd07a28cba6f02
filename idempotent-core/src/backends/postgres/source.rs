//! Where a [`PostgresStore`](super::PostgresStore) gets its connections from.

use std::fmt;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

/// Where a [`PostgresStore`](super::PostgresStore) gets its connections from: a URL, or options of sqlx,
/// for connections of its own; or a pool that the application already has.
///
/// ```no_run
/// use idempotent_core::backends::PostgresStore;
/// use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://shop@127.0.0.1/shop").await?;
///
/// let options = PgConnectOptions::new().host("127.0.0.1").username("shop").database("shop");
/// let store = PostgresStore::connect(options.clone()).await?;
///
/// let pool = PgPoolOptions::new().connect_with(options).await?;
/// let store = PostgresStore::connect(pool).await?;
/// # Ok(()) }
/// ```
///
/// # Connections of the store's own
///
/// Their sessions do not depend on what is set for the role or the database: `search_path` is `pg_catalog`,
/// `lock_timeout` is the store's response timeout, `statement_timeout`, `idle_session_timeout` and
/// `transaction_timeout` are off, `default_transaction_isolation` is `read committed`, and `enable_seqscan` is
/// off, since a plan that was made while the table was empty would otherwise read all of a full table. Only
/// `default_transaction_read_only` is respected: servers are told so that they are no longer the primary.
///
/// # An application's pool
///
/// Each step of the store takes one connection for one statement at a time. Transactions that the application
/// holds open keep a connection of their own meanwhile, so leave room for both. Renewals, and results that find
/// no connection, use one that the store opens beside the pool, with the pool's options and hooks. The settings
/// of its sessions are the application's: set `lock_timeout` and `enable_seqscan` as above if only the store
/// uses the pool.
///
/// **A pool may give away a connection that is within a transaction.** sqlx 0.9 puts it back so if the future of
/// `pool.begin()` is dropped before the server has answered, as happens to a request whose client leaves. What
/// others run on it then seems to succeed and is never committed. The store notices: each of its statements
/// checks that it is committed by itself, and such a connection is closed and another one taken before a body
/// runs. The application's own statements have no such protection. Begin with
/// [`retry_transaction`](super::retry_transaction), whose begin is finished if it is dropped, or in a spawned task,
/// or roll back in the pool's `after_release`.
#[derive(Clone)]
pub struct PostgresSource(pub(super) SourceKind);

#[derive(Clone)]
pub(super) enum SourceKind {
    Url(String),
    Options(Box<PgConnectOptions>),
    Pool(PgPool),
}

impl From<&str> for PostgresSource {
    /// A URL: `postgres://user:password@host:port/database`.
    fn from(url: &str) -> Self {
        Self(SourceKind::Url(url.to_owned()))
    }
}

impl From<String> for PostgresSource {
    /// A URL: `postgres://user:password@host:port/database`.
    fn from(url: String) -> Self {
        Self(SourceKind::Url(url))
    }
}

impl From<&String> for PostgresSource {
    /// A URL: `postgres://user:password@host:port/database`.
    fn from(url: &String) -> Self {
        Self(SourceKind::Url(url.clone()))
    }
}

impl From<PgConnectOptions> for PostgresSource {
    /// Connections of the store's own, opened with these options.
    fn from(options: PgConnectOptions) -> Self {
        Self(SourceKind::Options(Box::new(options)))
    }
}

impl From<PgPool> for PostgresSource {
    /// A pool that the application already has.
    fn from(pool: PgPool) -> Self {
        Self(SourceKind::Pool(pool))
    }
}

impl fmt::Debug for PostgresSource {
    /// Without the URL and the options, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            SourceKind::Url(_) => "Url",
            SourceKind::Options(_) => "Options",
            SourceKind::Pool(_) => "Pool",
        })
    }
}
