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
/// # TLS
///
/// TLS is rustls with *ring*, and trusts the system's authorities. A URL of a server on another machine has to
/// say how to use it, since the default of PostgreSQL's clients, `prefer`, sends everything in plain text if the
/// server says so, or somebody who pretends to be it: the password too, if it is asked for. The environment's
/// `PGSSLMODE` says it as well.
///
/// | `sslmode` | a connection is |
/// |---|---|
/// | `verify-full` | encrypted, to a server whose certificate has the URL's host and comes from an authority that is trusted: the system's, and that of `sslrootcert` |
/// | `verify-ca` | the same, for any host: safe only if an authority of your own signs for these servers alone, and the system trusts no other |
/// | `require` | encrypted, to anybody: whoever is in between can read and change it |
/// | `prefer` | encrypted if the server offers it, likewise to anybody |
/// | `allow`, `disable` | in plain text |
///
/// A client's certificate and its key are `sslcert` and `sslkey`. A server on this machine, on the loopback
/// interface or a Unix socket, is spoken to as `prefer` says. Options and pools are the application's: if they
/// leave it to a server on another machine, there is a warning in the log.
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
    /// A URL: `postgres://user:password@host:port/database?sslmode=verify-full`. See [TLS](PostgresSource#tls).
    fn from(url: &str) -> Self {
        Self(SourceKind::Url(url.to_owned()))
    }
}

impl From<String> for PostgresSource {
    /// A URL: `postgres://user:password@host:port/database?sslmode=verify-full`. See [TLS](PostgresSource#tls).
    fn from(url: String) -> Self {
        Self(SourceKind::Url(url))
    }
}

impl From<&String> for PostgresSource {
    /// A URL: `postgres://user:password@host:port/database?sslmode=verify-full`. See [TLS](PostgresSource#tls).
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
