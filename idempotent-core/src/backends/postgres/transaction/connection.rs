//! Calls in transactions of their callers, on sqlx's connections.
//!
//! A function of the schema decides in one statement who runs the body. After that there is a savepoint
//! and an update. The savepoint is not released, since the end of the transaction does that: a statement
//! for it would be one more round trip. The schema refuses to commit a call that has not ended.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor, Postgres, Row, SqlStr};

use super::error::transaction_error;
use super::statements::TransactionStatements;
use crate::backends::postgres::error::unexpected;
use crate::backends::postgres::scope_use::scope_of;
use crate::backends::shared::sql::{RESERVATION_GONE, savepoint, tables_of};
use crate::model::{Record, RecordId};
use crate::store::{
    Complete, Entry, Isolation, Release, Reserve, State, StoreError, StoreErrorKind, Transaction,
    TransactionContext, TransactionReserveOutcome,
};

/// The name of this database in errors.
pub(super) const DATABASE: &str = "postgres";

/// Answers of the schema's function.
const WON: i16 = 0;
const CONTENDED: i16 = 1;
const RESERVED: i16 = 2;
const INDETERMINATE: i16 = 3;
const COMPLETED: i16 = 4;

#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
#[async_trait]
impl Transaction for PgConnection {
    async fn reserve(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<TransactionReserveOutcome, StoreError> {
        let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
        let record = request.record();
        let query = sqlx::query(tables.reserve())
            .bind(&request.id.hash()[..])
            .bind(&record.token().as_bytes()[..])
            .bind(record.operation())
            .bind(record.as_bytes())
            .bind(interval(record.retention()))
            .bind(lock(request.id))
            .bind(wait.map(millis));
        // Read to its end: a connection without a transaction is refused only there.
        let rows = query.fetch_all(&mut *self).await.map_err(transaction_error)?;
        let [row] = &rows[..] else {
            return Err(transaction_error(unexpected("one row from the reserve function")));
        };
        let outcome = reserve_outcome(row)?;
        if context.can_undo && matches!(outcome, TransactionReserveOutcome::Won(_)) {
            execute(self, format!("SAVEPOINT {}", savepoint(context))).await?;
        }
        Ok(outcome)
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
        let done = completing(tables.complete(), request).execute(self).await;
        still_there(&done.map_err(transaction_error)?)
    }

    async fn release(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
        let done = sqlx::query(tables.release())
            .bind(&request.id.hash()[..])
            .bind(&request.reservation.token().as_bytes()[..])
            .execute(self)
            .await
            .map_err(transaction_error)?;
        still_there(&done)
    }
}

/// Reserves an id that is most likely vacant, by a statement that costs less than one that may find something else. `None` if
/// it is not won like this, which says nothing about it.
///
/// The row has no envelope until the call completes, so the write-ahead log has it once. Other transactions do not see it before
/// then, unless somebody has the database commit it by turning its triggers off. Within this one the engine refuses the call
/// itself, if that is made where it knows of the call around it; elsewhere it finds this row.
#[cfg(feature = "consumer")]
pub(crate) async fn reserve_vacant(
    connection: &mut PgConnection,
    context: &TransactionContext<'_>,
    request: &Reserve<'_>,
) -> Result<Option<TransactionReserveOutcome>, StoreError> {
    let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
    let record = request.record();
    let query = sqlx::query(tables.reserve_vacant())
        .bind(&request.id.hash()[..])
        .bind(&record.token().as_bytes()[..])
        .bind(record.operation())
        .bind(&[] as &[u8])
        .bind(interval(record.retention()))
        .bind(lock(request.id));
    // Read to its end: a connection without a transaction is refused only there.
    let rows = query.fetch_all(connection).await.map_err(transaction_error)?;
    let won = |row: &PgRow| match row.try_get("snapshot").map_err(transaction_error)? {
        true => Ok(TransactionReserveOutcome::Won(Isolation::Snapshot)),
        false => Ok(TransactionReserveOutcome::Won(Isolation::ReadCommitted)),
    };
    rows.first().map(won).transpose()
}

/// Completes a call by the last statement before the commit, and says whether nothing is left but to commit: the statement ran
/// outside of all savepoints, in the transaction in which the call was reserved, and it did not fail, so neither did any
/// before it.
#[cfg(feature = "consumer")]
pub(crate) async fn complete_last(
    connection: &mut PgConnection,
    context: &TransactionContext<'_>,
    request: &Complete<'_>,
) -> Result<bool, StoreError> {
    let tables: &TransactionStatements = tables_of(context.tables, DATABASE)?;
    let rows = completing(tables.complete_last(), request).fetch_all(connection).await;
    match &rows.map_err(transaction_error)?[..] {
        [row] => row.try_get("outermost").map_err(transaction_error),
        _ => Err(StoreError::new(StoreErrorKind::Mismatch, RESERVATION_GONE)),
    }
}

fn completing<'q>(statement: SqlStr, request: &Complete<'q>) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(&request.id.hash()[..])
        .bind(request.record.token().as_bytes().to_vec())
        .bind(request.record.as_bytes())
        .bind(interval(request.ttl))
        .bind(scope_of(request.id))
}

/// An error if there was no reservation to end. Then its transaction is not the one in which it began: sqlx rolls
/// a transaction back if a nested `begin` in it is dropped halfway, and commits what follows one by one.
fn still_there(done: &PgQueryResult) -> Result<(), StoreError> {
    match done.rows_affected() {
        0 => Err(StoreError::new(StoreErrorKind::Mismatch, RESERVATION_GONE)),
        _ => Ok(()),
    }
}

fn reserve_outcome(row: &PgRow) -> Result<TransactionReserveOutcome, StoreError> {
    let (state, record, remaining): (i16, Option<Vec<u8>>, Option<i64>) =
        row.try_get("answer").map_err(transaction_error)?;
    let snapshot = row.try_get("snapshot").map_err(transaction_error)?;
    let state = match state {
        WON if snapshot => return Ok(TransactionReserveOutcome::Won(Isolation::Snapshot)),
        WON => return Ok(TransactionReserveOutcome::Won(Isolation::ReadCommitted)),
        CONTENDED => return Ok(TransactionReserveOutcome::Contended),
        RESERVED => State::Reserved,
        INDETERMINATE => State::Indeterminate,
        COMPLETED => State::Completed,
        _ => {
            return Err(transaction_error(unexpected("an unknown answer of the reserve function")));
        }
    };
    let remaining = remaining.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    let record = record.unwrap_or_default();
    // It was reserved as one that is vacant, and has not ended.
    if state == State::Reserved && record.is_empty() {
        return Ok(TransactionReserveOutcome::Contended);
    }
    let record = Record::from_bytes(&record)?;
    Ok(TransactionReserveOutcome::Taken(Entry::new(record, state, remaining)))
}

/// One statement without arguments.
async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), StoreError> {
    let done = connection.execute(AssertSqlSafe(statement)).await;
    done.map(drop).map_err(transaction_error)
}

/// The advisory lock of an id. Two ids with the same lock only have to wait for each other.
pub(in crate::backends::postgres) fn lock(id: &RecordId) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.hash()[..8]);
    i64::from_be_bytes(first)
}

fn millis(wait: Duration) -> i32 {
    // Zero would mean no limit.
    i32::try_from(wait.as_millis()).unwrap_or(i32::MAX).max(1)
}

/// In microseconds, and short enough that now plus the interval is still a valid timestamp.
pub(super) fn interval(duration: Duration) -> PgInterval {
    const LONGEST: i64 = 1_000 * 365 * 86_400 * 1_000_000;
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(LONGEST).min(LONGEST);
    PgInterval { months: 0, days: 0, microseconds }
}
