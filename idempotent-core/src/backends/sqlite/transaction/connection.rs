//! Calls in transactions of their callers, on sqlx's connections.
//!
//! A transaction that reserves has the file's lock from then on, so nobody else writes before it ends. A
//! foreign key refuses to commit a call that has not ended: its reservation refers to a row that never
//! exists, which is checked when the transaction ends. `SQLite` ends some transactions by itself: after every
//! error it is asked whether this one still exists.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Error, Executor, Row};
use tokio::time::{Instant, sleep};

use super::commit_hook::refuse_commits;
use super::error::{UNGUARDED, reservation_gone, rolled_back, savepoint_error, transaction_error};
use super::statements::TransactionStatements;
use crate::backends::shared::durations::{ceil_millis, floor_millis};
use crate::backends::shared::sql::{savepoint, tables_of};
use crate::backends::sqlite::connections::is_in_transaction;
use crate::backends::sqlite::entry::{Found, read};
use crate::backends::sqlite::error::{is_busy, is_foreign_key};
use crate::backends::sqlite::query::{Query, query};
use crate::backends::sqlite::scope_use::scope_of;
use crate::store::poll::jittered;
use crate::store::{
    Complete, Entry, Isolation, Release, Reserve, State, StoreError, StoreErrorKind, Transaction,
    TransactionContext, TransactionReserveOutcome,
};

/// The name of this database in errors.
const DATABASE: &str = "sqlite";

/// The pause between two attempts to lock the file, beside those of `SQLite` itself.
const PAUSE: Duration = Duration::from_millis(20);

#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
#[async_trait]
impl Transaction for SqliteConnection {
    async fn reserve(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<TransactionReserveOutcome, StoreError> {
        let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
        if insert(self, tables, request, wait).await? {
            execute(self, format!("SAVEPOINT {}", savepoint(context))).await?;
            if let Some(call) = context.running {
                refuse_commits(self, call).await.map_err(transaction_error)?;
            }
            // Only one transaction has the lock, so no later statement can meet another one.
            return Ok(TransactionReserveOutcome::Won(Isolation::ReadCommitted));
        }
        let query = query(tables.load()).bind(&request.id.hash()[..]);
        let rows = match query.fetch_all(&mut *self).await {
            Ok(rows) => rows,
            Err(error) => return Err(store_error_of(self, error, transaction_error).await),
        };
        let entry = rows.first().map(visible_entry).transpose()?.flatten();
        // Nothing is in the way and it was still not inserted: the foreign key is not enforced.
        entry
            .map(TransactionReserveOutcome::Taken)
            .ok_or_else(|| StoreError::new(StoreErrorKind::Mismatch, UNGUARDED))
    }

    async fn undo(&mut self, context: &TransactionContext<'_>) -> Result<(), StoreError> {
        execute(self, format!("ROLLBACK TO SAVEPOINT {}", savepoint(context))).await
    }

    async fn complete(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError> {
        let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
        let query = query(&tables.complete(context))
            .bind(&request.id.hash()[..])
            .bind(&request.record.token().as_bytes()[..])
            .bind(ceil_millis(request.ttl))
            .bind(request.record.as_bytes());
        end(self, query).await
    }

    async fn release(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
        let query = query(&tables.release(context))
            .bind(&request.id.hash()[..])
            .bind(&request.reservation.token().as_bytes()[..]);
        end(self, query).await
    }
}

/// Reserves the id if it is vacant, and says whether it was. It locks the file in any case: after a read
/// without the lock the transaction could no longer write if somebody else wrote meanwhile.
async fn insert(
    connection: &mut SqliteConnection,
    tables: &TransactionStatements,
    request: &Reserve<'_>,
    wait: Option<Duration>,
) -> Result<bool, StoreError> {
    let begin = Instant::now();
    let record = request.record();
    loop {
        let query = query(tables.reserve())
            .bind(&request.id.hash()[..])
            .bind(&record.token().as_bytes()[..])
            .bind(floor_millis(record.retention()))
            .bind(request.id.operation())
            .bind(record.as_bytes())
            .bind(scope_of(request.id));
        match query.execute(&mut *connection).await {
            Ok(done) => return Ok(done.rows_affected() > 0),
            Err(error) if is_busy(&error) && wait.is_some_and(|wait| begin.elapsed() < wait) => {
                sleep(jittered(PAUSE)).await;
            }
            Err(error) => {
                return Err(store_error_of(connection, error, transaction_error).await);
            }
        }
    }
}

/// Ends a call by a statement that answers a row if the call is of this very transaction.
async fn end(connection: &mut SqliteConnection, query: Query) -> Result<(), StoreError> {
    match query.fetch_all(&mut *connection).await {
        Ok(rows) if rows.is_empty() => Err(reservation_gone()),
        Ok(_) => Ok(()),
        Err(error) => Err(store_error_of(connection, error, savepoint_error).await),
    }
}

/// What this transaction sees: a call of its own that has not ended, or what everybody sees.
fn visible_entry(row: &SqliteRow) -> Result<Option<Entry>, StoreError> {
    let is_own: bool = row.try_get(4).map_err(transaction_error)?;
    let entry = match read(row)? {
        Found::Entry(entry) if is_own => Some(Entry::new(entry.record, State::Reserved, None)),
        Found::Expired(record) if is_own => Some(Entry::new(record, State::Reserved, None)),
        Found::Entry(entry) if entry.state != State::Lapsed => Some(entry),
        Found::Entry(_) | Found::Expired(_) | Found::Nothing => None,
    };
    Ok(entry)
}

/// One statement without arguments.
async fn execute(connection: &mut SqliteConnection, statement: String) -> Result<(), StoreError> {
    match connection.execute(AssertSqlSafe(statement)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(store_error_of(connection, error, savepoint_error).await),
    }
}

/// The error of a store for an error within the caller's transaction: another one if `SQLite` has ended the
/// transaction.
async fn store_error_of(
    connection: &mut SqliteConnection,
    error: Error,
    otherwise: fn(Error) -> StoreError,
) -> StoreError {
    if error.as_database_error().is_some_and(is_foreign_key) {
        // None had begun.
        return otherwise(error);
    }
    let error = otherwise(error);
    match is_in_transaction(connection).await {
        Ok(true) => error,
        Ok(false) | Err(_) => rolled_back(error),
    }
}
