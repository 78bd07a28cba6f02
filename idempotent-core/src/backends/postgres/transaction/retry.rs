//! Retrying whole transactions after a conflict.

use std::error::Error as StdError;
use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::sleep;

use super::begin::{Isolation, begin};
use super::commit::commit;
use super::lent::{Lender, LentTransaction};
use super::not_committed::NotCommitted;
use crate::backends::shared::sql::is_conflict;
use crate::store::backoff::Backoff;

const ATTEMPTS: u32 = 10;
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(5), longest: Duration::from_millis(500) };

/// Begins a transaction, lends it to `body` and commits it, and retries all of that after a conflict with
/// another transaction. `REPEATABLE READ` and `SERIALIZABLE` require this of every program, and a deadlock
/// requires it at any level. This is [`RetryTransaction`] with its defaults.
///
/// ```no_run
/// use idempotent_core::idempotent;
/// use idempotent_core::backends::transact;
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
/// transact(&pool, async |mut tx| pay(&mut tx, 7).await).await
/// # }
/// ```
///
/// The body gets a [`LentTransaction`], which stands for a `&mut Transaction`. If it borrowed the transaction
/// instead, its future could not be spawned.
///
/// # Errors
///
/// As [`RetryTransaction::transact`].
pub async fn transact<T, E, F, Fut>(pool: &PgPool, body: F) -> Result<T, E>
where
    E: StdError + From<sqlx::Error> + 'static,
    F: FnMut(LentTransaction) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    RetryTransaction::new().transact(pool, body).await
}

/// Like [`transact`], for a body that takes the transaction itself and returns it with its result.
///
/// ```no_run
/// use idempotent_core::backends::retry_transaction;
///
/// # async fn handler(pool: sqlx::PgPool) -> Result<u64, sqlx::Error> {
/// retry_transaction(&pool, async |mut tx| {
///     let emptied = sqlx::query("DELETE FROM carts WHERE id = 7").execute(&mut *tx).await;
///     (tx, emptied.map(|emptied| emptied.rows_affected()))
/// })
/// .await
/// # }
/// ```
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

/// How to begin a transaction, and how often to retry it. See [`transact`].
///
/// ```no_run
/// use idempotent_core::backends::RetryTransaction;
///
/// # async fn handler(pool: sqlx::PgPool) -> Result<(), sqlx::Error> {
/// const RETRY: RetryTransaction = RetryTransaction::new().serializable().attempts(20);
///
/// RETRY
///     .transact(&pool, async |mut tx| {
///         let moved = sqlx::query("UPDATE accounts SET balance = balance - 1 WHERE id = 7");
///         moved.execute(&mut **tx).await
///     })
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing runs before `run`"]
pub struct RetryTransaction {
    isolation: Option<Isolation>,
    attempts: u32,
    backoff: Backoff,
}

impl RetryTransaction {
    /// The database's default isolation level, at most 10 attempts, and pauses that grow from at most 5 to
    /// at most 500 milliseconds.
    pub const fn new() -> Self {
        Self { isolation: None, attempts: ATTEMPTS, backoff: BACKOFF }
    }

    /// Begins at `READ COMMITTED`, whatever the database's default is.
    pub const fn read_committed(mut self) -> Self {
        self.isolation = Some(Isolation::ReadCommitted);
        self
    }

    /// Begins at `REPEATABLE READ`.
    pub const fn repeatable_read(mut self) -> Self {
        self.isolation = Some(Isolation::RepeatableRead);
        self
    }

    /// Begins at `SERIALIZABLE`.
    pub const fn serializable(mut self) -> Self {
        self.isolation = Some(Isolation::Serializable);
        self
    }

    /// The most attempts, including the first one. Default: 10. Zero counts as one.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The pauses between attempts: random between zero and a bound that begins at `first` and doubles with
    /// each attempt, up to `longest`. Default: 5 and 500 milliseconds.
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest };
        self
    }

    /// Lends a transaction to `body` and commits it. Retries with a new transaction if the error, or one of
    /// its causes, [is a conflict](is_conflict); so an `E` that wraps another error should return that one
    /// as its [`source`](StdError::source).
    ///
    /// Effects of `body` outside the transaction happen once for each attempt. The transaction is rolled
    /// back if `body` returns `Err`, even an error that a call records: to commit those, return the
    /// call's own result inside an `Ok`.
    ///
    /// If this is dropped halfway, the transaction is rolled back, also if it was just beginning. A
    /// transaction that somebody else has left open on the connection is not joined: it is aborted.
    /// To see that takes a snapshot, so set the isolation level here and not in `body`, where `SET
    /// TRANSACTION` comes too late.
    ///
    /// # Errors
    ///
    /// The error of `body`, or the database's error at the begin or the commit; after the last attempt, the
    /// last of them. If `body` returns `Ok` although its transaction cannot be committed, the error is
    /// [`NotCommitted`](super::NotCommitted) within a `sqlx::Error::Database`. If the connection is lost during the commit, nobody knows whether it was committed:
    /// repeat the same call to find out.
    /// So it is if something still has the [`LentTransaction`] when `body` ends.
    pub async fn transact<T, E, F, Fut>(self, pool: &PgPool, body: F) -> Result<T, E>
    where
        E: StdError + From<sqlx::Error> + 'static,
        F: FnMut(LentTransaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.transact_while(pool, |error: &E| is_conflict(error), body).await
    }

    /// Like [`transact`](Self::transact), for any error type: `should_retry` says whether to retry after an error.
    ///
    /// ```no_run
    /// use idempotent_core::backends::{RetryTransaction, is_conflict};
    ///
    /// type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// # async fn handler(pool: sqlx::PgPool) -> Result<(), BoxError> {
    /// let should_retry = |error: &BoxError| is_conflict(&**error);
    /// let emptied = RetryTransaction::new().transact_while(&pool, should_retry, async |mut tx| {
    ///     let emptied = sqlx::query("DELETE FROM carts WHERE id = 7").execute(&mut **tx).await;
    ///     emptied.map_err(BoxError::from)
    /// });
    /// emptied.await.map(drop)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`transact`](Self::transact).
    pub async fn transact_while<T, E, F, Fut>(
        self,
        pool: &PgPool,
        should_retry: impl Fn(&E) -> bool,
        mut body: F,
    ) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: FnMut(LentTransaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        for attempt in 1..self.attempts {
            match self.attempt_lending(pool, &mut body).await {
                Err(error) if should_retry(&error) => {}
                decided => return decided,
            }
            sleep(self.backoff.pause(attempt)).await;
        }
        self.attempt_lending(pool, &mut body).await
    }

    /// Like [`transact`](Self::transact), for a body that takes the transaction itself and returns it with its
    /// result.
    ///
    /// # Errors
    ///
    /// As [`transact`](Self::transact).
    pub async fn run<T, E, F, Fut>(self, pool: &PgPool, body: F) -> Result<T, E>
    where
        E: StdError + From<sqlx::Error> + 'static,
        F: FnMut(Transaction<'static, Postgres>) -> Fut,
        Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
    {
        self.run_while(pool, |error: &E| is_conflict(error), body).await
    }

    /// Like [`run`](Self::run), for any error type: `should_retry` says whether to retry after an error.
    ///
    /// ```no_run
    /// use idempotent_core::backends::{RetryTransaction, is_conflict};
    ///
    /// type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// # async fn handler(pool: sqlx::PgPool) -> Result<(), BoxError> {
    /// let should_retry = |error: &BoxError| is_conflict(&**error);
    /// let emptied = RetryTransaction::new().run_while(&pool, should_retry, async |mut tx| {
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
        should_retry: impl Fn(&E) -> bool,
        mut body: F,
    ) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: FnMut(Transaction<'static, Postgres>) -> Fut,
        Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
    {
        for attempt in 1..self.attempts {
            match self.attempt(pool, &mut body).await {
                Err(error) if should_retry(&error) => {}
                decided => return decided,
            }
            sleep(self.backoff.pause(attempt)).await;
        }
        self.attempt(pool, &mut body).await
    }

    async fn attempt<T, E, F, Fut>(self, pool: &PgPool, body: &mut F) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: FnMut(Transaction<'static, Postgres>) -> Fut,
        Fut: Future<Output = (Transaction<'static, Postgres>, Result<T, E>)>,
    {
        let (tx, result) = body(begin(pool, self.isolation).await?).await;
        end(tx, result).await
    }

    async fn attempt_lending<T, E, F, Fut>(self, pool: &PgPool, body: &mut F) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: FnMut(LentTransaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (lender, lent) = Lender::lend(begin(pool, self.isolation).await?).await;
        let result = body(lent).await;
        match lender.take_back() {
            Some(tx) => end(tx, result).await,
            // It is rolled back when it is dropped, wherever that is.
            None => {
                result.and_then(|_| Err(sqlx::Error::Database(Box::new(NotCommitted::Kept)).into()))
            }
        }
    }
}

/// Commits what succeeded, and rolls back what did not.
async fn end<T, E: From<sqlx::Error>>(
    tx: Transaction<'static, Postgres>,
    result: Result<T, E>,
) -> Result<T, E> {
    if result.is_ok() {
        commit(tx).await?;
    } else {
        // The caller should get the error of `body`, and sqlx rolls back anyway before it uses the
        // connection again.
        tx.rollback().await.ok();
    }
    result
}

impl Default for RetryTransaction {
    fn default() -> Self {
        Self::new()
    }
}
