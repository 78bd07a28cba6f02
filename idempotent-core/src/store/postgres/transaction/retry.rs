//! Running a whole transaction again where another one was in the way.

use std::error::Error as StdError;
use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::store::is_conflict;

const ATTEMPTS: u32 = 10;
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(500) };

/// Opens a transaction, runs `body` within it and commits it, and begins anew where another
/// transaction was in the way: what `REPEATABLE READ` and `SERIALIZABLE` ask of every program, and
/// what a deadlock asks at any level. It is [`RetryTransaction`] with everything at its default.
///
/// ```no_run
/// use idempotent_core::idempotent;
/// use idempotent_core::store::retry_transaction;
/// use sqlx::{PgPool, Postgres, Transaction};
///
/// # #[derive(Debug)] enum PayError { Idempotency(idempotent_core::Error), Database(sqlx::Error) }
/// # impl std::fmt::Display for PayError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
/// # }
/// # impl std::error::Error for PayError {
/// #     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
/// #         Some(match self { Self::Idempotency(error) => error, Self::Database(error) => error })
/// #     }
/// # }
/// # impl From<idempotent_core::Error> for PayError {
/// #     fn from(error: idempotent_core::Error) -> Self { Self::Idempotency(error) }
/// # }
/// # impl From<sqlx::Error> for PayError {
/// #     fn from(error: sqlx::Error) -> Self { Self::Database(error) }
/// # }
/// #[idempotent(key = order, tx = tx, guarantee = exactly_once)]
/// async fn pay(tx: &mut Transaction<'_, Postgres>, order: i64) -> Result<(), PayError> {
///     let statement = sqlx::query("UPDATE orders SET paid = true WHERE id = $1").bind(order);
///     statement.execute(&mut **tx).await?;
///     Ok(())
/// }
///
/// # async fn handler(pool: PgPool) -> Result<(), PayError> {
/// retry_transaction(&pool, async |mut tx| {
///     let paid = pay(&mut tx, 7).await;
///     (tx, paid)
/// })
/// .await
/// # }
/// ```
///
/// The body gets the transaction and gives it back with its result: a body that borrows it would
/// make futures that cannot be spawned.
///
/// # Errors
///
/// As [`RetryTransaction::run`].
pub async fn retry_transaction<T, E, F, Fut>(pool: &PgPool, body: F) -> Result<T, E>
where
    E: StdError + From<sqlx::Error> + 'static,
    F: FnMut(Transaction<'static, Postgres>) -> Fut,
    Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
{
    RetryTransaction::new().run(pool, body).await
}

/// How a transaction is opened, and how often it is run again. See [`retry_transaction`].
///
/// ```no_run
/// use idempotent_core::store::RetryTransaction;
///
/// # async fn handler(pool: sqlx::PgPool) -> Result<(), sqlx::Error> {
/// const RETRY: RetryTransaction = RetryTransaction::new().serializable().attempts(20);
///
/// RETRY
///     .run(&pool, async |mut tx| {
///         let moved = sqlx::query("UPDATE accounts SET balance = balance - 1 WHERE id = 7");
///         let moved = moved.execute(&mut *tx).await;
///         (tx, moved)
///     })
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing runs until `run`"]
pub struct RetryTransaction {
    begin: &'static str,
    attempts: u32,
    backoff: Backoff,
}

impl RetryTransaction {
    /// At the isolation level that the database or the role has by default, at most 10 times, with
    /// pauses of up to 5 milliseconds first and up to 500 in the end.
    pub const fn new() -> Self {
        Self { begin: "BEGIN", attempts: ATTEMPTS, backoff: BACKOFF }
    }

    /// At `READ COMMITTED`, whatever the default of the database is.
    pub const fn read_committed(mut self) -> Self {
        self.begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
        self
    }

    /// At `REPEATABLE READ`.
    pub const fn repeatable_read(mut self) -> Self {
        self.begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
        self
    }

    /// At `SERIALIZABLE`.
    pub const fn serializable(mut self) -> Self {
        self.begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
        self
    }

    /// How often it is run at most, the first time included. Default: 10. None is as one.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The pauses before it is run again: random between zero and a bound that begins with `first`,
    /// doubles with each run and ends with `longest`. Default: 5 milliseconds, 500 milliseconds.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest };
        self
    }

    /// Runs `body` within a transaction and commits it. Runs again, in a new transaction, what failed
    /// with an error that [`is_conflict`] finds in it or among its causes; so an `E` that wraps
    /// others should give them as its [`source`](StdError::source).
    ///
    /// What `body` does besides the transaction happens as often as `body` runs. What it gives as
    /// `Err` is rolled back, errors that a call keeps included: to commit those, give `Ok` of the
    /// call's own result.
    ///
    /// # Errors
    ///
    /// What `body` gives, and what the database says to the beginning and to the commit; the last of
    /// them, when no attempt is left. A connection that is lost at the commit leaves it open whether
    /// it was committed: the same call, made again, tells.
    pub async fn run<T, E, F, Fut>(self, pool: &PgPool, body: F) -> Result<T, E>
    where
        E: StdError + From<sqlx::Error> + 'static,
        F: FnMut(Transaction<'static, Postgres>) -> Fut,
        Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
    {
        self.run_while(pool, |error: &E| is_conflict(error), body).await
    }

    /// The same for any error type: `again` says whether an error is worth another run.
    ///
    /// ```no_run
    /// use idempotent_core::store::{RetryTransaction, is_conflict};
    ///
    /// type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// # async fn handler(pool: sqlx::PgPool) -> Result<(), BoxError> {
    /// let again = |error: &BoxError| is_conflict(&**error);
    /// let emptied = RetryTransaction::new().run_while(&pool, again, async |mut tx| {
    ///     let emptied = sqlx::query("DELETE FROM carts WHERE id = 7").execute(&mut *tx).await;
    ///     (tx, emptied.map_err(BoxError::from))
    /// });
    /// emptied.await.map(drop)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_while<T, E, F, Fut>(
        self,
        pool: &PgPool,
        again: impl Fn(&E) -> bool,
        mut body: F,
    ) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: FnMut(Transaction<'static, Postgres>) -> Fut,
        Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
    {
        for run in 1..self.attempts {
            match self.attempt(pool, &mut body).await {
                Err(error) if again(&error) => {}
                decided => return decided,
            }
            sleep(self.backoff.pause(run)).await;
        }
        self.attempt(pool, &mut body).await
    }

    async fn attempt<T, E, F, Fut>(self, pool: &PgPool, body: &mut F) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: FnMut(Transaction<'static, Postgres>) -> Fut,
        Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
    {
        let (tx, result) = body(pool.begin_with(self.begin).await?).await;
        if result.is_ok() {
            tx.commit().await?;
        } else {
            // Its own end is what the caller hears of, and the connection is rolled back anyway
            // before it is used again.
            tx.rollback().await.ok();
        }
        result
    }
}

impl Default for RetryTransaction {
    fn default() -> Self {
        Self::new()
    }
}
