//! Calls in transactions of their callers, on sqlx's connections.
//!
//! A transaction that reserves has the file's lock from then on, so nobody else writes before it ends. A
//! foreign key refuses to commit a call that has not ended: its reservation refers to a row that never
//! exists, which is checked when the transaction ends.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::time::{Instant, sleep};

use super::error::{UNGUARDED, reservation_gone, savepoint_error, transaction_error};
use super::statements::TransactionStatements;
use crate::backends::shared::durations::{ceil_millis, floor_millis};
use crate::backends::shared::sql::{savepoint, tables_of};
use crate::backends::sqlite::entry::{Found, read};
use crate::backends::sqlite::error::is_busy;
use crate::backends::sqlite::query::query;
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
            // Only one transaction has the lock, so no later statement can meet another one.
            return Ok(TransactionReserveOutcome::Won(Isolation::ReadCommitted));
        }
        let query = query(tables.load()).bind(&request.id.hash()[..]);
        let rows = query.fetch_all(&mut *self).await.map_err(transaction_error)?;
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
        execute(self, format!("RELEASE SAVEPOINT {}", savepoint(context))).await?;
        let query = query(tables.complete())
            .bind(&request.id.hash()[..])
            .bind(&request.record.token().as_bytes()[..])
            .bind(ceil_millis(request.ttl))
            .bind(request.record.as_bytes());
        let done = query.execute(self).await.map_err(transaction_error)?;
        if done.rows_affected() == 0 { Err(reservation_gone()) } else { Ok(()) }
    }

    async fn release(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
        execute(self, format!("RELEASE SAVEPOINT {}", savepoint(context))).await?;
        let query = query(tables.release())
            .bind(&request.id.hash()[..])
            .bind(&request.reservation.token().as_bytes()[..]);
        query.execute(self).await.map(drop).map_err(transaction_error)
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
            .bind(record.as_bytes());
        match query.execute(&mut *connection).await {
            Ok(done) => return Ok(done.rows_affected() > 0),
            Err(error) if is_busy(&error) && wait.is_some_and(|wait| begin.elapsed() < wait) => {
                sleep(jittered(PAUSE)).await;
            }
            Err(error) => return Err(transaction_error(error)),
        }
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
    connection.execute(AssertSqlSafe(statement)).await.map(drop).map_err(savepoint_error)
}
