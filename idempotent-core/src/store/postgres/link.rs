//! The way to the server: a connection of the pool for each question, a deadline, and another try
//! where a connection was lost.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Encode, Error, PgConnection, PgPool, Postgres, SqlStr, Type};
use tokio::time::{Instant, sleep, timeout_at};

use super::error::{is_conflict, is_lost, store_error, timed_out};
use super::kept::{Borrowed, Kept};
use crate::store::StoreError;
use crate::store::poll::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The pool, and how long a question may take.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// For whoever else needs connections, and for questions where none are kept.
    pool: PgPool,
    kept: Option<Arc<Kept>>,
    timeout: Duration,
}

/// Whether a question whose answer was lost may be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A second answer is as good as the first.
    Yes,
    /// A second answer would not be true.
    No,
}

/// A statement with its arguments.
pub(super) struct Question {
    statement: SqlStr,
    arguments: Result<PgArguments, String>,
}

impl Question {
    pub(super) fn new(statement: &SqlStr) -> Self {
        Self { statement: statement.clone(), arguments: Ok(PgArguments::default()) }
    }

    pub(super) fn bind<'t, T>(mut self, value: T) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres> + 't,
    {
        if let Ok(arguments) = &mut self.arguments {
            if let Err(error) = arguments.add(value) {
                self.arguments = Err(error.to_string());
            }
        }
        self
    }

    async fn ask(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, Error> {
        let arguments = self.arguments.map_err(|error| Error::Encode(error.into()))?;
        sqlx::query_with(self.statement, arguments).fetch_all(connection).await
    }
}

impl Link {
    pub(super) const fn new(pool: PgPool, timeout: Duration) -> Self {
        Self { pool, kept: None, timeout }
    }

    /// Asks over connections of a pool of its own.
    pub(super) fn keeping(self, pool: PgPool) -> Self {
        Self { kept: Some(Arc::new(Kept::new(pool))), ..self }
    }

    pub(super) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// When a question that begins now has to be answered.
    pub(super) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.timeout).unwrap_or_else(|| now + Duration::from_secs(86_400))
    }

    /// Asks, and gives the rows.
    pub(super) async fn ask(
        &self,
        question: impl Fn() -> Question,
        repeat: Repeat,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.ask_until(question, repeat, self.deadline()).await.map_err(store_error)
    }

    /// Asks until a deadline.
    pub(super) async fn ask_until(
        &self,
        question: impl Fn() -> Question,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Vec<PgRow>, Error> {
        // After a restart of the server every idle connection of the pool is a dead one.
        let mut at_once = self.pool.options().get_max_connections();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_once(question(), deadline).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            // What the server refused for a conflict was not done.
            let again = is_conflict(&error) || (is_lost(&error) && repeat == Repeat::Yes);
            if !again || Instant::now() >= deadline {
                return Err(error);
            }
            if at_once > 0 {
                at_once -= 1;
            } else {
                sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// A connection, for what is more than a question.
    pub(super) async fn connection(&self) -> Result<Borrowed<'_>, Error> {
        self.borrow(self.deadline()).await
    }

    async fn borrow(&self, deadline: Instant) -> Result<Borrowed<'_>, Error> {
        let borrowed = async {
            match &self.kept {
                Some(kept) => kept.borrow().await,
                None => self.pool.acquire().await.map(Borrowed::of),
            }
        };
        timeout_at(deadline, borrowed).await.unwrap_or(Err(Error::PoolTimedOut))
    }

    async fn try_once(&self, question: Question, deadline: Instant) -> Result<Vec<PgRow>, Error> {
        let mut borrowed = self.borrow(deadline).await?;
        let answer = timeout_at(deadline, question.ask(borrowed.connection()?)).await;
        let answer = answer.unwrap_or_else(|_| Err(timed_out()));
        if !answer.as_ref().is_err_and(is_lost) {
            borrowed.keep();
        }
        answer
    }
}
