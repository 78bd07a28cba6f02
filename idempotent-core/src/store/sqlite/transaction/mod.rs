//! Calls within transactions of their callers, on sqlx's connections.
//!
//! A transaction that reserves has the file's lock from then on, so nobody else writes before it ends.
//! What it must not commit, a foreign key refuses: a reservation points at a row that is never there,
//! which is looked at when the transaction ends.

mod error;
mod tables;

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::time::{Instant, sleep};

pub(super) use self::tables::Tables;

use self::error::{UNGUARDED, gone, savepoint_error, transaction_error};
use super::error::is_busy;
use super::link::ask;
use super::look::{Found, found};
use super::millis::{millis, retention};
use crate::store::poll::jittered;
use crate::store::sql::savepoint;
use crate::store::{
    Complete, Entry, Isolation, Joined, Place, Release, Reserve, State, StoreError, StoreErrorKind,
    Transaction,
};

/// Between two tries for the file's lock, beside those of `SQLite` itself.
const PAUSE: Duration = Duration::from_millis(20);

#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
#[async_trait]
impl Transaction for SqliteConnection {
    async fn reserve(
        &mut self,
        place: &Place<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<Joined, StoreError> {
        let tables = tables(place.tables)?;
        if insert(self, tables, request, wait).await? {
            execute(self, format!("SAVEPOINT {}", savepoint(place))).await?;
            // Whoever has the lock is alone: no later statement meets another transaction.
            return Ok(Joined::Won(Isolation::ReadCommitted));
        }
        let question = ask(tables.look()).bind(&request.id.hash()[..]);
        let rows = question.fetch_all(&mut *self).await.map_err(transaction_error)?;
        let stands = rows.first().map(standing).transpose()?.flatten();
        // Not won where nothing stands: the guard was missing.
        stands
            .map(Joined::Taken)
            .ok_or_else(|| StoreError::new(StoreErrorKind::Mismatch, UNGUARDED))
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
        execute(self, format!("RELEASE SAVEPOINT {}", savepoint(place))).await?;
        let question = ask(tables.complete())
            .bind(&request.id.hash()[..])
            .bind(&request.record.token().as_bytes()[..])
            .bind(millis(request.ttl))
            .bind(request.record.as_bytes());
        let done = question.execute(self).await.map_err(transaction_error)?;
        if done.rows_affected() == 0 { Err(gone()) } else { Ok(()) }
    }

    async fn release(
        &mut self,
        place: &Place<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError> {
        let tables = tables(place.tables)?;
        execute(self, format!("RELEASE SAVEPOINT {}", savepoint(place))).await?;
        let question = ask(tables.release())
            .bind(&request.id.hash()[..])
            .bind(&request.reservation.token().as_bytes()[..]);
        question.execute(self).await.map(drop).map_err(transaction_error)
    }
}

fn tables(tables: &(dyn Any + Send + Sync)) -> Result<&Tables, StoreError> {
    tables.downcast_ref().ok_or_else(|| {
        let why = "this is a transaction of sqlite, and the engine's store is in another database";
        StoreError::new(StoreErrorKind::Mismatch, why)
    })
}

/// Takes the id if it is vacant, and says whether it was. Takes the file's lock first, also where it
/// is not: a look without it could not be followed by a write if anybody wrote in between.
async fn insert(
    connection: &mut SqliteConnection,
    tables: &Tables,
    request: &Reserve<'_>,
    wait: Option<Duration>,
) -> Result<bool, StoreError> {
    let begin = Instant::now();
    let record = request.record();
    loop {
        let question = ask(tables.reserve())
            .bind(&request.id.hash()[..])
            .bind(&record.token().as_bytes()[..])
            .bind(retention(record))
            .bind(request.id.operation())
            .bind(record.as_bytes());
        match question.execute(&mut *connection).await {
            Ok(done) => return Ok(done.rows_affected() > 0),
            Err(error) if is_busy(&error) && wait.is_some_and(|wait| begin.elapsed() < wait) => {
                sleep(jittered(PAUSE)).await;
            }
            Err(error) => return Err(transaction_error(error)),
        }
    }
}

/// What stands for this transaction: a call of its own that has not ended, or what everybody sees.
fn standing(row: &SqliteRow) -> Result<Option<Entry>, StoreError> {
    let is_own: bool = row.try_get(4).map_err(transaction_error)?;
    let entry = match found(row)? {
        Found::Standing(entry) if is_own => Some(Entry::new(entry.record, State::Reserved, None)),
        Found::Over(record) if is_own => Some(Entry::new(record, State::Reserved, None)),
        Found::Standing(entry) if entry.state != State::Lapsed => Some(entry),
        Found::Standing(_) | Found::Over(_) | Found::Nothing => None,
    };
    Ok(entry)
}

/// One statement without arguments.
async fn execute(connection: &mut SqliteConnection, statement: String) -> Result<(), StoreError> {
    connection.execute(AssertSqlSafe(statement)).await.map(drop).map_err(savepoint_error)
}
