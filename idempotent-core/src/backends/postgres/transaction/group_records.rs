//! [`GroupRecords`]: the records of calls that share a transaction of PostgreSQL.
//!
//! The first statement finds out which ids are vacant, takes their locks, and writes a guard: a reservation that no call
//! completes. As long as it stands, the schema refuses every commit. The last statement deletes it and inserts the results.
//! So a record is committed if and only if the effects of its call are.
//!
//! Nothing is reserved in the table in between. The locks keep out other calls in transactions. A call outside of one takes no
//! lock, and may insert an id meanwhile: then the last statement does not, and the transaction is rolled back.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row, SqlSafeStr as _, SqlStr, raw_sql};

use super::connection::{DATABASE, interval, lock};
use super::error::transaction_error;
use super::statements::TransactionStatements;
use crate::backends::postgres::error::unexpected;
use crate::backends::postgres::scope_use::scope_of;
use crate::backends::shared::sql::{RESERVATION_GONE, tables_of};
use crate::model::{Record, RecordId, Token};
use crate::store::{
    Complete, Entry, Isolation, SharedRecords, State, StoreError, StoreErrorKind,
    TransactionReserveOutcome,
};

/// What the guard says of itself.
const GUARD: &str = "idempotent.group";

type Hash = [u8; 32];

/// The records of one transaction's calls.
#[derive(Debug)]
pub struct GroupRecords {
    /// The id of the guard, which no call can have: theirs are longer.
    guard: Token,
    isolation: Isolation,
    /// At which nothing stands and nobody else is.
    vacant: HashSet<Hash>,
    /// Those whose call is running, or has ended without a result.
    reserved: HashSet<Hash>,
    completed: HashMap<Hash, Completed>,
}

#[derive(Debug)]
struct Completed {
    id: RecordId,
    reservation: Record,
    record: Record,
    ttl: Duration,
}

/// The savepoint around each call's effects. Each of its statements is an error if the transaction has ended, and in one in
/// which a statement has failed. To release a savepoint releases all that were made after it, and takes no snapshot.
///
/// No handler makes another savepoint of its name, which is random. All groups of a process have the same one: a server that
/// counts statements by their text (`pg_stat_statements` before PostgreSQL 17) would otherwise keep two for each group.
#[derive(Debug)]
struct Fence {
    begin: SqlStr,
    begin_next: SqlStr,
    end: SqlStr,
}

static FENCE: LazyLock<Fence> = LazyLock::new(|| Fence::named(Token::random()));

impl Fence {
    fn named(token: Token) -> Self {
        let statement = |text: String| AssertSqlSafe(text).into_sql_str();
        let (begin, end) = (
            format!("SAVEPOINT idempotent_{token}"),
            format!("RELEASE SAVEPOINT idempotent_{token}"),
        );
        Self {
            begin_next: statement(format!("{end}; {begin}")),
            begin: statement(begin),
            end: statement(end),
        }
    }

    /// The first call's effects come after it.
    async fn begin(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        run(connection, &self.begin).await
    }

    async fn begin_next(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        run(connection, &self.begin_next).await
    }

    async fn end(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        run(connection, &self.end).await
    }
}

async fn run(connection: &mut PgConnection, statement: &SqlStr) -> Result<(), StoreError> {
    let done = raw_sql(statement.clone()).execute(connection).await;
    done.map(drop).map_err(transaction_error)
}

impl GroupRecords {
    /// Begins with what is known about these ids.
    ///
    /// # Errors
    ///
    /// Those of the database, after which the transaction has to be rolled back.
    pub(crate) async fn begin(
        connection: &mut PgConnection,
        tables: &(dyn Any + Send + Sync),
        ids: &[RecordId],
    ) -> Result<Self, StoreError> {
        let tables: &TransactionStatements = tables_of(tables, DATABASE)?;
        let guard = Token::random();
        let query = sqlx::query(tables.begin_group())
            .bind(column(ids, |id| &id.hash()[..]))
            .bind(column(ids, lock))
            .bind(&guard.as_bytes()[..])
            .bind(GUARD);
        let rows = query.fetch_all(&mut *connection).await.map_err(transaction_error)?;
        FENCE.begin(connection).await?;
        let (mut isolation, mut vacant) = (Isolation::ReadCommitted, HashSet::new());
        for row in &rows {
            vacant.insert(hash(row)?);
            if row.try_get("snapshot").map_err(transaction_error)? {
                isolation = Isolation::Snapshot;
            }
        }
        let (reserved, completed) = (HashSet::new(), HashMap::new());
        Ok(Self { guard, isolation, vacant, reserved, completed })
    }
}

#[async_trait]
impl SharedRecords<PgConnection> for GroupRecords {
    fn reserve(&mut self, id: &RecordId) -> Option<TransactionReserveOutcome> {
        if let Some(Completed { record, ttl, .. }) = self.completed.get(id.hash()) {
            let entry = Entry::new(record.clone(), State::Completed, Some(*ttl));
            return Some(TransactionReserveOutcome::Taken(entry));
        }
        let hash = self.vacant.take(id.hash())?;
        self.reserved.insert(hash);
        Some(TransactionReserveOutcome::Won(self.isolation))
    }

    async fn separate(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        FENCE.begin_next(connection).await
    }

    fn complete(&mut self, request: &Complete<'_>) -> bool {
        let Some(hash) = self.reserved.take(request.id.hash()) else { return false };
        let completed = Completed {
            id: request.id.clone(),
            reservation: request.reservation.clone(),
            record: request.record.clone(),
            ttl: request.ttl,
        };
        self.completed.insert(hash, completed);
        true
    }

    async fn write(
        &mut self,
        connection: &mut PgConnection,
        tables: &(dyn Any + Send + Sync),
    ) -> Result<bool, StoreError> {
        if !self.reserved.is_empty() {
            return Err(gone("a call of the transaction has not ended"));
        }
        let tables: &TransactionStatements = tables_of(tables, DATABASE)?;
        FENCE.end(connection).await?;
        let all: Vec<&Completed> = self.completed.values().collect();
        let query = sqlx::query(tables.end_group())
            .bind(&self.guard.as_bytes()[..])
            .bind(column(&all, |it| &it.id.hash()[..]))
            .bind(column(&all, |it| it.record.token().as_bytes().to_vec()))
            .bind(column(&all, |it| it.reservation.operation()))
            .bind(column(&all, |it| it.record.as_bytes()))
            .bind(column(&all, |it| interval(it.ttl)))
            .bind(column(&all, |it| interval(it.reservation.retention())))
            .bind(column(&all, |it| scope_of(&it.id)));
        let row = query.fetch_one(connection).await.map_err(transaction_error)?;
        let count = |column| row.try_get::<i64, _>(column).map_err(transaction_error);
        match (count("guards")?, usize::try_from(count("written")?)) {
            // Without a result, nothing tells whether it ran outside of all savepoints.
            (1, Ok(written)) if written == all.len() => Ok(written > 0),
            (1, _) => {
                let why = "another call has completed an id of the transaction";
                Err(StoreError::new(StoreErrorKind::Conflict, why))
            }
            _ => Err(gone(RESERVATION_GONE)),
        }
    }
}

fn hash(row: &PgRow) -> Result<Hash, StoreError> {
    let id = row.try_get::<&[u8], _>("id").map_err(transaction_error)?;
    id.try_into().map_err(|_| transaction_error(unexpected("an id of 32 bytes")))
}

fn gone(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Mismatch, why)
}

fn column<'a, R, T>(all: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    all.iter().map(of).collect()
}
