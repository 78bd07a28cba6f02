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
/// Connections of the store's own have `lock_timeout` set to its response timeout, and `enable_seqscan`
/// off: a plan that was made while the table was empty would otherwise read all of a full table, until
/// the table is analyzed. Set both yourself on a pool that only the store uses. On a pool, each step
/// of the store takes one connection for one statement at a time. Transactions that the application
/// holds open keep a connection of their own meanwhile, so leave room for both.
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
