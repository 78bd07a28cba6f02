//! The way to the file: a connection of the pool for each question, and a deadline.
//!
//! Who writes waits for their turn here, in order, and not in `SQLite`, where a waiting connection
//! sleeps and tries again, and may be overtaken for ever. Only other processes are waited for there.

use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Error, SqlStr, Sqlite, SqlitePool};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::{store_error, timed_out};
use crate::store::StoreError;

/// A statement with its arguments.
pub(super) type Question = Query<'static, Sqlite, SqliteArguments>;

/// The pool, and how long a question may take.
#[derive(Debug)]
pub(super) struct Link {
    pool: SqlitePool,
    timeout: Duration,
    turn: Semaphore,
}

/// A question without its arguments.
pub(super) fn ask(statement: &SqlStr) -> Question {
    sqlx::query(statement.clone())
}

impl Link {
    pub(super) fn new(pool: SqlitePool, timeout: Duration) -> Self {
        Self { pool, timeout, turn: Semaphore::new(1) }
    }

    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Asks something that changes nothing.
    pub(super) async fn read(&self, question: Question) -> Result<Vec<SqliteRow>, StoreError> {
        self.bounded(question.fetch_all(&self.pool)).await
    }

    /// Changes something, and says how many rows.
    pub(super) async fn write(&self, question: Question) -> Result<u64, StoreError> {
        self.in_turn(async { Ok(question.execute(&self.pool).await?.rows_affected()) }).await
    }

    /// Changes something, and gives the rows that this answers.
    ///
    /// All of them, to the end: a change that cannot be committed is an error after the last row.
    pub(super) async fn write_rows(
        &self,
        question: Question,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.in_turn(question.fetch_all(&self.pool)).await
    }

    /// Does something that writes, when nobody else of this store does.
    pub(super) async fn in_turn<T>(
        &self,
        steps: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        self.bounded(async {
            let _turn = self.turn.acquire().await;
            steps.await
        })
        .await
    }

    async fn bounded<T>(
        &self,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let answer = timeout(self.timeout, question).await;
        answer.unwrap_or_else(|_| Err(timed_out())).map_err(store_error)
    }
}
