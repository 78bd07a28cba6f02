//! The way to the file: a connection of the pool for each question, and a deadline.
//!
//! Who writes waits for their turn here, in order, and not in `SQLite`, where a waiting connection
//! sleeps and tries again, and may be overtaken for ever. Only other processes are waited for there.
//!
//! Each question is a task of its own, so a caller that goes away neither cuts it short nor lets what
//! comes after it overtake it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Error, SqlStr, Sqlite, SqlitePool};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::error::{no_runtime, store_error, timed_out};
use crate::store::StoreError;

/// A statement with its arguments.
pub(super) type Question = Query<'static, Sqlite, SqliteArguments>;

/// The pool, and how long a question may take.
#[derive(Debug)]
pub(super) struct Link {
    pool: SqlitePool,
    timeout: Duration,
    turn: Arc<Semaphore>,
}

/// A question without its arguments.
pub(super) fn ask(statement: &SqlStr) -> Question {
    sqlx::query(statement.clone())
}

impl Link {
    pub(super) fn new(pool: SqlitePool, timeout: Duration) -> Self {
        Self { pool, timeout, turn: Arc::new(Semaphore::new(1)) }
    }

    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Asks something that changes nothing.
    pub(super) async fn read(&self, question: Question) -> Result<Vec<SqliteRow>, StoreError> {
        let pool = self.pool.clone();
        self.bounded(async move { question.fetch_all(&pool).await }).await
    }

    /// Changes something, and says how many rows.
    pub(super) async fn write(&self, question: Question) -> Result<u64, StoreError> {
        let pool = self.pool.clone();
        self.in_turn(async move { Ok(question.execute(&pool).await?.rows_affected()) }).await
    }

    /// Changes something, and gives the rows that this answers.
    ///
    /// All of them, to the end: a change that cannot be committed is an error after the last row.
    pub(super) async fn write_rows(
        &self,
        question: Question,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let pool = self.pool.clone();
        self.in_turn(async move { question.fetch_all(&pool).await }).await
    }

    /// Does something that writes, when nobody else of this store does.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        steps: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turn);
        self.bounded(async move {
            let _turn = turn.acquire().await;
            steps.await
        })
        .await
    }

    async fn bounded<T: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let answer = timeout(self.timeout, question).in_current_span();
        let answer = match runtime.spawn(answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(timed_out())),
            // The runtime shuts down.
            Err(_) => Err(Error::WorkerCrashed),
        };
        answer.map_err(store_error)
    }
}
