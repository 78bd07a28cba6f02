//! [`InboxPool`]: the databases that have transactions for handlers.

use std::future::Future;
use std::time::Duration;

use sqlx::{Database, Error, Transaction as SqlTransaction};

use crate::store::Transaction;

mod sealed {
    pub trait Sealed {}
}

/// A pool of connections to the database in which the engine's store keeps its records: sqlx's `PgPool` with the feature
/// `postgres`, `SqlitePool` with `sqlite`. See [`ConsumerBuilder::within`](crate::consumer::ConsumerBuilder::within).
#[diagnostic::on_unimplemented(
    message = "handlers cannot run in transactions of `{Self}`",
    label = "not a supported pool",
    note = "with feature `postgres` pass a `sqlx::PgPool`, with feature `sqlite` a `sqlx::SqlitePool`"
)]
pub trait InboxPool: sealed::Sealed + Clone + Send + Sync + 'static {
    /// Whose transactions they are.
    type Database: Database<Connection: Transaction>;

    /// Begins a transaction, each of whose statements the database itself ends after that time, if it can.
    #[doc(hidden)]
    fn begin(
        &self,
        statements: Option<Duration>,
    ) -> impl Future<Output = Result<SqlTransaction<'static, Self::Database>, Error>> + Send;

    /// Commits, or fails if that is not what happens.
    #[doc(hidden)]
    fn commit(
        tx: SqlTransaction<'static, Self::Database>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// How long it waits for a connection at most, and for its turn.
    #[doc(hidden)]
    fn acquire_timeout(&self) -> Duration;

    /// Whether a database with this error cannot be asked at all.
    #[doc(hidden)]
    fn is_outage(code: &str) -> bool;

    /// How many groups of messages a consumer handles at once.
    #[doc(hidden)]
    const GROUPS: usize;
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use sqlx::{Error, PgPool, Postgres, Transaction};

    use super::InboxPool;
    use crate::backends::postgres::{begin_transaction, commit_transaction, is_away};

    impl super::sealed::Sealed for PgPool {}

    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    impl InboxPool for PgPool {
        type Database = Postgres;
        /// While one is committed, another runs.
        const GROUPS: usize = 2;

        async fn begin(
            &self,
            statements: Option<Duration>,
        ) -> Result<Transaction<'static, Postgres>, Error> {
            begin_transaction(self, statements).await
        }

        async fn commit(tx: Transaction<'static, Postgres>) -> Result<(), Error> {
            commit_transaction(tx).await
        }

        fn acquire_timeout(&self) -> Duration {
            self.options().get_acquire_timeout()
        }

        /// The connection was lost, or it is a standby. What the handler was refused is its own affair: a timeout of a
        /// statement, a limit of the server.
        fn is_outage(code: &str) -> bool {
            is_away(code)
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::time::Duration;

    use sqlx::{Error, Sqlite, SqlitePool, Transaction};

    use super::InboxPool;
    use crate::backends::sqlite::begin_transaction;

    /// The results `SQLITE_READONLY`, `SQLITE_IOERR`, `SQLITE_FULL` and `SQLITE_CANTOPEN`.
    const OUTAGES: [u32; 4] = [8, 10, 13, 14];

    impl super::sealed::Sealed for SqlitePool {}

    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    impl InboxPool for SqlitePool {
        type Database = Sqlite;
        /// There is one writer.
        const GROUPS: usize = 1;

        /// A statement waits for nobody once its transaction writes.
        async fn begin(&self, _: Option<Duration>) -> Result<Transaction<'static, Sqlite>, Error> {
            begin_transaction(self).await
        }

        async fn commit(tx: Transaction<'static, Sqlite>) -> Result<(), Error> {
            tx.commit().await
        }

        /// A writer waits for the others, for as long as the connections' `busy_timeout` says.
        fn acquire_timeout(&self) -> Duration {
            Duration::MAX
        }

        fn is_outage(code: &str) -> bool {
            code.parse::<u32>().is_ok_and(|code| OUTAGES.contains(&(code % 256)))
        }
    }
}

#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_did_wrong_is_no_outage() {
        for code in ["08006", "53300", "57P01", "25006"] {
            assert!(sqlx::PgPool::is_outage(code), "{code}");
        }
        for code in ["23505", "40001", "42P01", "25P02", "22012", "57014", "53400", "53100"] {
            assert!(!sqlx::PgPool::is_outage(code), "{code}");
        }
        for code in ["10", "13", "14", "8", "10250"] {
            assert!(sqlx::SqlitePool::is_outage(code), "{code}");
        }
        for code in ["1", "19", "2067", "5"] {
            assert!(!sqlx::SqlitePool::is_outage(code), "{code}");
        }
    }
}
