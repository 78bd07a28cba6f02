//! Calls within transactions of their callers, on sqlx's connections.
//!
//! Who runs is decided by a function of the schema, in one statement; the rest is a savepoint and an
//! update. The savepoint is left to the end of the transaction: to release it would be a trip for nothing
//! that anybody sees. What a transaction must not commit, the schema refuses.

mod error;
mod retry;
mod tables;

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, Row};

pub use self::retry::{RetryTransaction, retry_transaction};
pub(super) use self::tables::Tables;

use self::error::transaction_error;
use super::error::unexpected;
use crate::record::{Record, RecordId};
use crate::store::sql::{GONE, savepoint};
use crate::store::{
    Complete, Entry, Isolation, Joined, Place, Release, Reserve, State, StoreError, StoreErrorKind,
    Transaction,
};

/// What the schema's function answers, beside the states.
const WON: i16 = 0;
const BUSY: i16 = 1;

#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
#[async_trait]
impl Transaction for PgConnection {
    async fn reserve(
        &mut self,
        place: &Place<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<Joined, StoreError> {
        let tables = tables(place.tables)?;
        let record = request.record();
        let question = sqlx::query(tables.reserve())
            .bind(&request.id.hash()[..])
            .bind(&record.token().as_bytes()[..])
            .bind(record.operation())
            .bind(record.as_bytes())
            .bind(interval(record.retention()))
            .bind(lock(request.id))
            .bind(wait.map(millis));
        // To the very end of the answer: a connection without a transaction is refused there.
        let rows = question.fetch_all(&mut *self).await.map_err(transaction_error)?;
        let [row] = &rows[..] else {
            return Err(transaction_error(unexpected("one row from the reserve function")));
        };
        let joined = joined(row)?;
        if let Joined::Won(_) = joined {
            execute(self, format!("SAVEPOINT {}", savepoint(place))).await?;
        }
        Ok(joined)
    }

    async fn undo(&mut self, place: &Place<'_>) -> Result<(), StoreError> {
        execute(self, format!("ROLLBACK TO SAVEPOINT {}", savepoint(place))).await
    }

    async fn complete(
        &mut self,
        place: &Place<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError> {
        let tables = tables(place.tables)?;
        let done = sqlx::query(tables.complete())
            .bind(&request.id.hash()[..])
            .bind(&request.record.token().as_bytes()[..])
            .bind(request.record.as_bytes())
            .bind(interval(request.ttl))
            .execute(self)
            .await
            .map_err(transaction_error)?;
        match done.rows_affected() {
            0 => Err(StoreError::new(StoreErrorKind::Mismatch, GONE)),
            _ => Ok(()),
        }
    }

    async fn release(
        &mut self,
        place: &Place<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        let tables = tables(place.tables)?;
        sqlx::query(tables.release())
            .bind(&request.id.hash()[..])
            .bind(&request.reservation.token().as_bytes()[..])
            .execute(self)
            .await
            .map_err(transaction_error)?;
        Ok(())
    }
}

fn tables(tables: &(dyn Any + Send + Sync)) -> Result<&Tables, StoreError> {
    tables.downcast_ref().ok_or_else(|| {
        let why =
            "this is a transaction of postgres, and the engine's store is in another database";
        StoreError::new(StoreErrorKind::Mismatch, why)
    })
}

fn joined(row: &PgRow) -> Result<Joined, StoreError> {
    let (stands, record, remaining): (i16, Option<Vec<u8>>, Option<i64>) =
        row.try_get("answer").map_err(transaction_error)?;
    let snapshot = row.try_get("snapshot").map_err(transaction_error)?;
    let state = match stands {
        WON if snapshot => return Ok(Joined::Won(Isolation::Snapshot)),
        WON => return Ok(Joined::Won(Isolation::ReadCommitted)),
        BUSY => return Ok(Joined::Busy),
        2 => State::Reserved,
        3 => State::Indeterminate,
        4 => State::Completed,
        _ => return Err(transaction_error(unexpected("a state that the reserve function knows"))),
    };
    let remaining = remaining.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    let record = Record::from_bytes(&record.unwrap_or_default())?;
    Ok(Joined::Taken(Entry::new(record, state, remaining)))
}

/// One statement without arguments.
async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), StoreError> {
    let done = connection.execute(AssertSqlSafe(statement)).await;
    done.map(drop).map_err(transaction_error)
}

/// What the transaction locks. Two ids that share it are only taken for each other while both run.
fn lock(id: &RecordId) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.hash()[..8]);
    i64::from_be_bytes(first)
}

fn millis(wait: Duration) -> i32 {
    // None of it would be no limit at all.
    i32::try_from(wait.as_millis()).unwrap_or(i32::MAX).max(1)
}

/// In microseconds, and never so long that adding it to now is not a time.
fn interval(duration: Duration) -> PgInterval {
    const LONGEST: i64 = 1_000 * 365 * 86_400 * 1_000_000;
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(LONGEST).min(LONGEST);
    PgInterval { months: 0, days: 0, microseconds }
}
