//! Running a call within a transaction of the caller's.

use std::fmt;
use std::future::Future;

use super::policy::Policy;
use super::{Call, Ended};
use crate::engine::{Admission, CallSpan, Within, admit};
use crate::error::Error;
use crate::store::Transaction;

impl<T, E> Call<T, E> {
    /// Runs `body` exactly once, within a transaction of the caller's: reservation, effects and
    /// result commit together, or not at all. There is no lease, and no moment in which a crash
    /// leaves an effect without its record. Whatever guarantee the operation names, this one is
    /// [`ExactlyOnce`](crate::Guarantee::ExactlyOnce).
    ///
    /// The engine's store keeps its records in the transaction's database: a `PostgresStore` for
    /// sqlx's `Transaction<'_, Postgres>`, or for a `PgConnection` on which a transaction has begun; a
    /// `SqliteStore` likewise.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn pay(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
    /// use idempotent_core::{Error, Operation};
    ///
    /// # #[derive(Debug)] enum PayError { Idempotency(Error), Database(sqlx::Error) }
    /// # impl std::fmt::Display for PayError {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
    /// # }
    /// # impl std::error::Error for PayError {}
    /// # impl From<Error> for PayError { fn from(error: Error) -> Self { Self::Idempotency(error) } }
    /// # impl From<sqlx::Error> for PayError {
    /// #     fn from(error: sqlx::Error) -> Self { Self::Database(error) }
    /// # }
    /// const PAY: Operation = Operation::new("shop.pay");
    ///
    /// let mut tx = pool.begin().await?;
    /// let call = PAY.key("order 7").returning::<Result<i64, PayError>>();
    /// let paid = call
    ///     .run_in(&mut tx, async |tx| {
    ///         sqlx::query("UPDATE orders SET paid = true WHERE id = 7").execute(&mut **tx).await?;
    ///         Ok(1990)
    ///     })
    ///     .await?;
    /// tx.commit().await?; // until now nobody has seen any of it
    /// # Ok(()) }
    /// ```
    ///
    /// * An `Ok` is recorded, unless the call's own rule says otherwise: then nothing of the record is
    ///   left.
    /// * An `Err` undoes what the body did, and leaves the transaction usable for everything else.
    ///   Nothing of the record is left either, unless the call keeps errors: then the error is
    ///   recorded, and the effects are undone all the same. Under `REPEATABLE READ` and `SERIALIZABLE`
    ///   an error is kept only where a function of the caller's says so
    ///   ([`memoize`](Self::memoize), [`on_error`](Self::on_error)): an error that nobody has looked
    ///   at may be a serialization failure.
    /// * A result that is too large, or cannot be encoded, is given to its caller and leaves a
    ///   tombstone, and the effects stay.
    /// * A future that is dropped half way leaves a transaction that the database refuses to commit.
    ///
    /// A duplicate of a call whose transaction has not ended is refused at once with
    /// [`InProgress`](crate::ErrorKind::InProgress), or waits for that end, up to the operation's
    /// [`wait`](super::Operation::wait).
    ///
    /// Where the compiler says that "implementation of `AsyncFnOnce` is not general enough", run it by
    /// [`CallWithin::run`].
    ///
    /// # Errors
    ///
    /// What the body gives, and each [`ErrorKind`](crate::ErrorKind) by way of `E`. After a refusal the
    /// transaction is as it was before, except after [`Store`](crate::ErrorKind::Store): then it is
    /// to be rolled back, and may be run again as a whole.
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) where the engine's store is in no database,
    /// and where no transaction has begun.
    ///
    /// # Panics
    ///
    /// When the body does; the transaction cannot be committed then.
    pub async fn run_in<X, F>(self, tx: &mut X, body: F) -> Result<T, E>
    where
        X: Transaction,
        F: AsyncFnOnce(&mut X) -> Result<T, E>,
    {
        let running = match Running::begin(self, tx).await {
            Ok(running) => running,
            Err(decided) => return decided,
        };
        let result = running.scope(async { body(&mut *tx).await }).await;
        running.end(tx, result).await
    }

    /// The same call, for a body that gives its transaction back: see [`CallWithin::run`].
    pub fn within<X: Transaction>(self, tx: &mut X) -> CallWithin<'_, X, T, E> {
        CallWithin { call: self, tx, as_transaction: |tx| tx }
    }
}

/// A call within a transaction, ready to run. From [`Call::within`].
#[must_use = "a call does nothing until it runs"]
pub struct CallWithin<'t, X, T, E> {
    call: Call<T, E>,
    tx: &'t mut X,
    // So that the bound is asked where the transaction is said, and nowhere else.
    as_transaction: fn(&mut X) -> &mut dyn Transaction,
}

impl<'t, X, T, E> CallWithin<'t, X, T, E> {
    /// Runs `body` as [`Call::run_in`] does. Here the transaction passes through the body, which
    /// gives it back with its result: harder to write, and the future is `Send` wherever those of
    /// its parts are. That of a body which borrows its transaction is not where the compiler has
    /// forgotten lifetimes, as in a spawned task or a `Box<dyn Future + Send>`; it then says that
    /// "implementation of `AsyncFnOnce` is not general enough".
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn see(tx: &mut sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// use idempotent_core::{Error, Operation};
    ///
    /// let call = Operation::new("see").key("7").returning::<Result<u64, Error>>();
    /// let seeing = call.within(tx).run(|tx| async move {
    ///     let seen = sqlx::query("UPDATE notes SET seen = true").execute(&mut *tx).await;
    ///     (tx, Ok(seen.map_or(0, |seen| seen.rows_affected())))
    /// });
    /// seeing.await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Call::run_in`].
    ///
    /// # Panics
    ///
    /// As [`Call::run_in`].
    pub async fn run<F, Fut>(self, body: F) -> Result<T, E>
    where
        F: FnOnce(&'t mut X) -> Fut,
        Fut: Future<Output = (&'t mut X, Result<T, E>)>,
    {
        let Self { call, tx, as_transaction } = self;
        let running = match Running::begin(call, as_transaction(tx)).await {
            Ok(running) => running,
            Err(decided) => return decided,
        };
        let (tx, result) = running.scope(async move { body(tx).await }).await;
        running.end(as_transaction(tx), result).await
    }
}

impl<X, T, E> fmt::Debug for CallWithin<'_, X, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallWithin").field("call", &self.call).finish_non_exhaustive()
    }
}

/// A call whose body has its turn.
struct Running<T, E> {
    within: Within,
    policy: Policy<T, E>,
    span: CallSpan,
}

impl<T, E> Running<T, E> {
    /// `Err` is a call that is decided already: a replay or a refusal.
    async fn begin(call: Call<T, E>, tx: &mut dyn Transaction) -> Result<Self, Result<T, E>> {
        let Call { request, policy, span } = call;
        let admitted = span.instrument(admit(request, tx)).await;
        let refused = match admitted {
            Ok(Admission::Won(within)) => {
                span.ended(Ended::Executed);
                return Ok(Self { within, policy, span });
            }
            Ok(Admission::Replay(found)) => match policy.replay(&found.id, &found.record) {
                Ok(result) => {
                    span.ended(Ended::Replayed);
                    return Err(result);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        span.refused(&refused);
        Err(policy.refuse(refused))
    }

    /// Does the body's work as a part of the call. Boxed, so that calls within calls do not multiply
    /// their size.
    async fn scope<F: Future>(&self, body: F) -> F::Output {
        let body = self.span.instrument(Box::pin(body));
        self.within.current().scope(body).await
    }

    async fn end(self, tx: &mut dyn Transaction, result: Result<T, E>) -> Result<T, E> {
        let Self { within, policy, span } = self;
        let settlement = policy.settlement_within(&result, &within);
        let id = within.id().clone();
        let settled = span.instrument(within.settle(tx, settlement, result.is_err())).await;
        match (settled, result) {
            (Ok(()), result) => result,
            // What the body says is worth more: without its end recorded, nothing can be committed.
            (Err(error), Err(own)) => {
                unsettled(&id, &error);
                Err(own)
            }
            (Err(error), Ok(_)) => {
                span.refused(&error);
                policy.refuse(error)
            }
        }
    }
}

fn unsettled(id: &crate::RecordId, error: &Error) {
    tracing::warn!(
        record = %id,
        error = error as &dyn std::error::Error,
        "a failed body's effects could not be undone: its transaction cannot be committed"
    );
}
