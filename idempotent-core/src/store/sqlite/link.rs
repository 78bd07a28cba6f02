//! The way to the file: a connection of the pool for each question, and a deadline.
//!
//! Each question is a task of its own, so a caller that goes away neither cuts it short nor lets what
//! comes after it overtake it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Error, SqlStr, Sqlite, SqlitePool};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::error::{no_runtime, store_error, timed_out};
use super::writer::{Done, Write, Writer};
use crate::store::StoreError;

/// A statement with its arguments.
pub(super) type Question = Query<'static, Sqlite, SqliteArguments>;

/// The pool, and how long a question may take.
pub(super) struct Link {
    pool: SqlitePool,
    timeout: Duration,
    writer: Arc<Writer>,
}

/// A question without its arguments.
pub(super) fn ask(statement: &SqlStr) -> Question {
    sqlx::query(statement.clone())
}

impl Link {
    pub(super) fn new(pool: SqlitePool, timeout: Duration) -> Self {
        let writer = Arc::new(Writer::new(pool.clone(), timeout));
        Self { pool, timeout, writer }
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
    pub(super) async fn change(&self, question: Question) -> Result<u64, StoreError> {
        Ok(self.write(Write::new().and(question)).await?.changed)
    }

    /// Does several things, all or none.
    pub(super) async fn write(&self, write: Result<Write, Error>) -> Result<Done, StoreError> {
        let writer = Arc::clone(&self.writer);
        self.bounded(async move { writer.write(write?).await }).await
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

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
