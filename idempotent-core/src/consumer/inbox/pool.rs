//! [`InboxPool`]: the databases that have transactions for handlers.

use std::any::Any;
use std::future::Future;
use std::time::Duration;

use sqlx::{Database, Error, Transaction as SqlTransaction};

use crate::model::RecordId;
use crate::store::{
    Complete, Reserve, SharedRecords, StoreError, Transaction, TransactionContext,
    TransactionReserveOutcome,
};

mod sealed {
    pub trait Sealed {}
}

/// How a transaction ends that is to be committed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Whether nothing is left but to commit, and so nothing has to be found out.
    pub is_complete: bool,
    /// Whether somebody waits for the next one.
    pub goes_on: bool,
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

    /// Begins a transaction, each of whose statements the database itself ends after the first time, and all of it if it hears
    /// nothing for the second, if it can.
    #[doc(hidden)]
    fn begin(
        &self,
        statements: Option<Duration>,
        idle: Option<Duration>,
    ) -> impl Future<Output = Result<SqlTransaction<'static, Self::Database>, Error>> + Send;

    /// The records of messages that share a transaction.
    #[doc(hidden)]
    type Shared: SharedRecords<<Self::Database as Database>::Connection> + 'static;

    /// Begins to share it, where that saves statements.
    #[doc(hidden)]
    fn share(
        connection: &mut <Self::Database as Database>::Connection,
        tables: &(dyn Any + Send + Sync),
        ids: &[RecordId],
    ) -> impl Future<Output = Result<Option<Self::Shared>, StoreError>> + Send;

    /// Reserves an id that is most likely vacant, where that can be had for less; `None` if it has to be asked otherwise.
    #[doc(hidden)]
    fn reserve_vacant(
        connection: &mut <Self::Database as Database>::Connection,
        context: &TransactionContext<'_>,
        request: &Reserve<'_>,
    ) -> impl Future<Output = Result<Option<TransactionReserveOutcome>, StoreError>> + Send;

    /// Completes a call by the last statement before the commit. Whether nothing is left but to commit.
    #[doc(hidden)]
    fn complete_last(
        connection: &mut <Self::Database as Database>::Connection,
        context: &TransactionContext<'_>,
        request: &Complete<'_>,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Rolls back all of a transaction that a handler had, if it can: the handler may have left another one within it.
    #[doc(hidden)]
    fn roll_back(
        tx: SqlTransaction<'static, Self::Database>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Commits, or fails if that is not what happens. Gives the next transaction if one is to begin, and the database begins one
    /// for less then.
    #[doc(hidden)]
    fn commit(
        tx: SqlTransaction<'static, Self::Database>,
        ends: Ends,
    ) -> impl Future<Output = Result<Option<SqlTransaction<'static, Self::Database>>, Error>> + Send;

    /// How many transactions a consumer may have at once for messages by themselves. Those who have to wait go on where another
    /// one is committed.
    #[doc(hidden)]
    fn transactions(&self) -> usize;

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
    use std::any::Any;
    use std::time::Duration;

    use sqlx::{Error, PgConnection, PgPool, Postgres, Transaction};

    use super::{Ends, InboxPool};
    use crate::backends::postgres::{
        GroupRecords, begin_transaction, commit_and_begin, commit_complete, commit_transaction,
        complete_last, is_away, reserve_vacant, roll_back,
    };
    use crate::model::RecordId;
    use crate::store::{
        Complete, Reserve, StoreError, TransactionContext, TransactionReserveOutcome,
    };

    impl super::sealed::Sealed for PgPool {}

    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    impl InboxPool for PgPool {
        type Database = Postgres;
        /// While one is committed and another waits for an answer, a third runs. More of them are smaller ones.
        const GROUPS: usize = 3;

        async fn begin(
            &self,
            statements: Option<Duration>,
            idle: Option<Duration>,
        ) -> Result<Transaction<'static, Postgres>, Error> {
            begin_transaction(self, statements, idle).await
        }

        type Shared = GroupRecords;

        async fn share(
            connection: &mut PgConnection,
            tables: &(dyn Any + Send + Sync),
            ids: &[RecordId],
        ) -> Result<Option<GroupRecords>, StoreError> {
            GroupRecords::begin(connection, tables, ids).await.map(Some)
        }

        async fn reserve_vacant(
            connection: &mut PgConnection,
            context: &TransactionContext<'_>,
            request: &Reserve<'_>,
        ) -> Result<Option<TransactionReserveOutcome>, StoreError> {
            reserve_vacant(connection, context, request).await
        }

        async fn complete_last(
            connection: &mut PgConnection,
            context: &TransactionContext<'_>,
            request: &Complete<'_>,
        ) -> Result<bool, StoreError> {
            complete_last(connection, context, request).await
        }

        async fn roll_back(tx: Transaction<'static, Postgres>) -> Result<(), Error> {
            roll_back(tx).await
        }

        /// A plain `COMMIT` also succeeds where it rolls back, but not right after a statement that has succeeded
        /// outside of all savepoints. Within one, sqlx may count a transaction of its own, which it would commit instead.
        async fn commit(
            tx: Transaction<'static, Postgres>,
            ends: Ends,
        ) -> Result<Option<Transaction<'static, Postgres>>, Error> {
            match ends {
                Ends { is_complete: true, goes_on: true } => commit_and_begin(tx).await,
                Ends { is_complete: true, goes_on: false } => {
                    commit_complete(tx).await.map(|()| None)
                }
                Ends { is_complete: false, .. } => commit_transaction(tx).await.map(|()| None),
            }
        }

        fn transactions(&self) -> usize {
            usize::try_from(self.options().get_max_connections()).unwrap_or(usize::MAX)
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
    use std::any::Any;
    use std::time::Duration;

    use async_trait::async_trait;
    use sqlx::{Error, Sqlite, SqliteConnection, SqlitePool, Transaction};

    use super::{Ends, InboxPool};
    use crate::backends::sqlite::begin_transaction;
    use crate::model::RecordId;
    use crate::store::{
        Complete, Reserve, SharedRecords, StoreError, Transaction as _, TransactionContext,
        TransactionReserveOutcome,
    };

    /// There are none: no statement is a round trip to a server, and each call has a savepoint of its own, which is released
    /// when it completes.
    #[derive(Debug)]
    pub enum NotShared {}

    #[async_trait]
    impl SharedRecords<SqliteConnection> for NotShared {
        fn reserve(&mut self, _: &RecordId) -> Option<TransactionReserveOutcome> {
            match *self {}
        }

        async fn separate(&mut self, _: &mut SqliteConnection) -> Result<(), StoreError> {
            match *self {}
        }

        fn complete(&mut self, _: &Complete<'_>) -> bool {
            match *self {}
        }

        async fn write(
            &mut self,
            _: &mut SqliteConnection,
            _: &(dyn Any + Send + Sync),
        ) -> Result<bool, StoreError> {
            match *self {}
        }
    }

    /// The results `SQLITE_READONLY`, `SQLITE_IOERR`, `SQLITE_FULL` and `SQLITE_CANTOPEN`.
    const OUTAGES: [u32; 4] = [8, 10, 13, 14];

    impl super::sealed::Sealed for SqlitePool {}

    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    impl InboxPool for SqlitePool {
        type Database = Sqlite;
        /// There is one writer.
        const GROUPS: usize = 1;

        /// A statement waits for nobody once its transaction writes.
        async fn begin(
            &self,
            _: Option<Duration>,
            _: Option<Duration>,
        ) -> Result<Transaction<'static, Sqlite>, Error> {
            begin_transaction(self).await
        }

        type Shared = NotShared;

        async fn share(
            _: &mut SqliteConnection,
            _: &(dyn Any + Send + Sync),
            _: &[RecordId],
        ) -> Result<Option<NotShared>, StoreError> {
            Ok(None)
        }

        async fn reserve_vacant(
            _: &mut SqliteConnection,
            _: &TransactionContext<'_>,
            _: &Reserve<'_>,
        ) -> Result<Option<TransactionReserveOutcome>, StoreError> {
            Ok(None)
        }

        async fn complete_last(
            connection: &mut SqliteConnection,
            context: &TransactionContext<'_>,
            request: &Complete<'_>,
        ) -> Result<bool, StoreError> {
            connection.complete(context, request).await.map(|()| true)
        }

        async fn roll_back(tx: Transaction<'static, Sqlite>) -> Result<(), Error> {
            tx.rollback().await
        }

        async fn commit(
            tx: Transaction<'static, Sqlite>,
            _: Ends,
        ) -> Result<Option<Transaction<'static, Sqlite>>, Error> {
            tx.commit().await.map(|()| None)
        }

        /// The next one begins no sooner elsewhere, and no statement is a message to a server.
        fn transactions(&self) -> usize {
            usize::MAX
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
