//! The stores that come with this crate, a folder each, with the same files in each.
//!
//! | backend | feature | keeps records in |
//! |---|---|---|
//! | [`MemoryStore`] | `moka` (default) | the memory of this process |
//! | [`NearCache`] | `moka` (default) | the memory of this process, in front of another store |
//! | [`Migrating`] | | two stores, while a fleet moves from one to the other |
//! | `RedisStore` | `redis`, `redis-sentinel`, `redis-cluster` | Redis or Valkey |
//! | `PostgresStore` | `postgres` | a table of PostgreSQL |
//! | `SqliteStore` | `sqlite` | a file of SQLite |

#[cfg(feature = "moka")]
mod memory;
mod migrating;
#[cfg(feature = "moka")]
mod near_cache;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod shared;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

#[cfg(feature = "moka")]
#[cfg_attr(docsrs, doc(cfg(feature = "moka")))]
pub use self::memory::{MemoryStore, MemoryStoreBuilder};
pub use self::migrating::{
    Migrating, MigrationMode, MovePass, MoveReport, Mover, UnknownMigrationMode,
};
#[cfg(feature = "moka")]
#[cfg_attr(docsrs, doc(cfg(feature = "moka")))]
pub use self::near_cache::{NearCache, NearCacheBuilder};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use self::postgres::{
    LentTransaction, NotCommitted, PostgresSource, PostgresStore, PostgresStoreBuilder,
    RetryTransaction, retry_transaction, transact,
};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::{RedisSource, RedisStore, RedisStoreBuilder};
#[cfg(any(feature = "postgres", feature = "redis"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "redis"))))]
pub use self::shared::credentials::{Credentials, CredentialsProvider};
#[cfg(any(feature = "postgres", feature = "redis"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "redis"))))]
pub use self::shared::server_settings::ServerSettings;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub use self::shared::sql::is_conflict;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sqlite::{SqliteSource, SqliteStore, SqliteStoreBuilder};
