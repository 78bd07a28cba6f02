//! Running a call in a transaction of the caller's.

use std::convert::Infallible;
use std::error::Error as _;
use std::fmt;
use std::future::Future;

use super::comparisons::Results;
use super::policy::Policy;
use super::typed::Call;
use crate::codec::Comparison;
use crate::default_engine::engine_of;
use crate::engine::{
    Acquired, CallReport, CallSpan, KeyEnd, ObservedCall, Request, Settlement,
    TransactionReservation, acquire_in_transaction, current,
};
use crate::error::Error;
use crate::model::{CallOutcome, Guarantee, RecordId};
use crate::store::{StoreError, StoreErrorKind, Transaction};

impl<T, E> Call<T, E> {
    /// Runs `body` exactly once, in a transaction of the caller's: the reservation, the effects and
    /// the result commit together, or not at all. There is no lease, and no moment at which a crash
    /// leaves an effect without its record. The guarantee is always
    /// [`ExactlyOnce`](crate::Guarantee::ExactlyOnce), whatever the operation says.
    ///
    /// The engine's store must keep its records in the transaction's database: a `PostgresStore`
    /// for sqlx's `Transaction<'_, Postgres>`, or for a `PgConnection` on which a transaction has
    /// begun; a `SqliteStore` likewise.
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
    /// tx.commit().await?; // until now, no other transaction has seen any of it
    /// # Ok(()) }
    /// ```
    ///
    /// * An `Ok` is recorded, unless the call's disposition says otherwise: then no record is left.
    /// * An `Err` undoes what the body did, and leaves the transaction usable. No record is left
    ///   either, unless the call keeps errors: then the error is recorded, and the effects are
    ///   undone nevertheless. Under `REPEATABLE READ` and `SERIALIZABLE`, an error is kept only if
    ///   a function of yours says so ([`memoize`](Self::memoize), [`on_error`](Self::on_error)): an
    ///   error that no function has looked at may be a serialization failure.
    /// * If the database has ended the transaction by itself, as `SQLite` does when the disk is full,
    ///   the call is refused with [`Store`](crate::ErrorKind::Store), whatever the body returned.
    /// * A result that is too large, or cannot be encoded, is returned to the caller and leaves a
    ///   tombstone. The effects stay.
    /// * A result that a replay would not return is refused with
    ///   [`NotReplayable`](crate::ErrorKind::NotReplayable) if the engine
    ///   [verifies results](crate::IdempotencyBuilder::verify_results): like an `Err`, it undoes what
    ///   the body did.
    /// * If the future is dropped halfway, the database refuses to commit the transaction.
    ///
    /// A duplicate of a call whose transaction has not ended is refused at once with
    /// [`InProgress`](crate::ErrorKind::InProgress), or waits for that end, up to the operation's
    /// [`wait`](crate::Operation::wait).
    ///
    /// If the compiler says that "implementation of `AsyncFnOnce` is not general enough", use
    /// [`TransactionCall::run`] instead.
    ///
    /// # Errors
    ///
    /// The body's own error, or a refusal of any [`ErrorKind`](crate::ErrorKind), converted into
    /// `E`. A refusal leaves the transaction as it was before the call, except for
    /// [`Store`](crate::ErrorKind::Store): then roll it back; the whole transaction may run again.
    /// The refusal is [`Misconfigured`](crate::ErrorKind::Misconfigured) if the engine's store is
    /// not in a database, or if no transaction has begun.
    ///
    /// # Panics
    ///
    /// If the body panics; the transaction cannot be committed then.
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

    /// Prepares the same call for a body that returns its transaction: see
    /// [`TransactionCall::run`].
    pub fn in_transaction<X: Transaction>(self, tx: &mut X) -> TransactionCall<'_, X, T, E> {
        TransactionCall { call: self, tx, as_transaction: |tx| tx }
    }

    /// Both [`in_transaction`](Self::in_transaction) and [`comparing`](Self::comparing), in one line of
    /// the attribute's expansion.
    #[doc(hidden)]
    pub fn in_transaction_comparing<X: Transaction>(
        self,
        tx: &mut X,
        find: fn(Results<T, E>) -> Option<Comparison<T>>,
    ) -> TransactionCall<'_, X, T, E> {
        self.comparing(find).in_transaction(tx)
    }
}

/// A call in a transaction, ready to run. [`Call::in_transaction`] creates it.
#[must_use = "a call does nothing until it runs"]
pub struct TransactionCall<'t, X, T, E> {
    call: Call<T, E>,
    tx: &'t mut X,
    // Set where the transaction is named, so that the bound is required there and nowhere else.
    as_transaction: fn(&mut X) -> &mut dyn Transaction,
}

impl<'t, X, T, E> TransactionCall<'t, X, T, E> {
    /// Runs `body` as [`Call::run_in`] does, but passes the transaction to the body, which returns
    /// it with its result. This is harder to write, but the future is `Send` whenever its parts
    /// are. With `run_in`, the body borrows the transaction, and the compiler cannot see that its
    /// future is `Send` where lifetimes are erased, as in a spawned task or a `Box<dyn Future +
    /// Send>`; it then says that "implementation of `AsyncFnOnce` is not general enough".
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn see(tx: &mut sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// use idempotent_core::{Error, Operation};
    ///
    /// let call = Operation::new("see").key("7").returning::<Result<u64, Error>>();
    /// let seeing = call.in_transaction(tx).run(|tx| async move {
    ///     let seen = sqlx::query("UPDATE notes SET seen = true").execute(&mut *tx).await;
    ///     (tx, Ok(seen.map_or(0, |seen| seen.rows_affected())))
    /// });
    /// seeing.await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Call::run_in`].
    ///
    /// # Panics
    ///
    /// Those of [`Call::run_in`].
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

impl<X, T, E> fmt::Debug for TransactionCall<'_, X, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionCall").field("call", &self.call).finish_non_exhaustive()
    }
}

/// A call whose body is running.
struct Running<T, E> {
    reservation: TransactionReservation,
    policy: Policy<T, E>,
    span: CallSpan,
    observed: Option<Box<ObservedCall>>,
}

impl<T, E> Running<T, E> {
    /// `Err` is a call that is already decided: replayed or refused.
    async fn begin(call: Call<T, E>, tx: &mut dyn Transaction) -> Result<Self, Result<T, E>> {
        let Call { request, policy, span } = call;
        let mut observed = None;
        let mut report = CallReport::start(&span);
        let refused = match span.instrument(acquire(request, &span, &mut observed, tx)).await {
            Ok(Acquired::Won(mut reservation)) => {
                reservation.take_over(&mut report);
                return Ok(Self { reservation, policy, span, observed });
            }
            Ok(Acquired::Replay(completed)) => match policy.replay(&completed) {
                Ok(result) => {
                    if let Some(observed) = &observed {
                        observed.link(&span, completed.record.trace_parent());
                    }
                    report.replayed(&completed.id);
                    if let Some(observed) = observed {
                        observed.ended(CallOutcome::Replayed);
                    }
                    return Err(result);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        report_refusal((&mut report, KeyEnd::Untouched), observed.as_deref(), &refused);
        Err(policy.refuse(refused))
    }

    /// Runs the body as part of the call. Boxed, so that nested calls do not multiply their size.
    async fn scope<F: Future>(&self, body: F) -> F::Output {
        let body = self.span.instrument(Box::pin(body));
        self.reservation.current_call().scope(body).await
    }

    async fn end(self, tx: &mut dyn Transaction, result: Result<T, E>) -> Result<T, E> {
        let Self { mut reservation, policy, span, observed } = self;
        let mut report = reservation.take_report();
        let entered = span.enter();
        let mut settlement = policy.settlement_in_transaction(&result, &reservation);
        let result = match policy.verify(&result, &mut settlement, reservation.as_ref()) {
            // Nothing is committed yet, so the effects can be undone.
            Some(error) => {
                settlement = Settlement::Release;
                policy.refuse(error)
            }
            None => result,
        };
        drop(entered);
        let id = reservation.id().clone();
        let key_end = settlement.key_end_in_transaction();
        let settled = span.instrument(reservation.settle(tx, settlement, result.is_err())).await;
        match (settled, result) {
            (Ok(()), result) => {
                report.ended(key_end);
                if let Some(observed) = observed {
                    observed.ended(CallOutcome::Executed);
                }
                result
            }
            // A caller that takes the body's error for the whole story would go on, statement by statement.
            (Err(error), Err(_)) if is_transaction_lost(&error) => {
                report_refusal((&mut report, KeyEnd::Released), observed.as_deref(), &error);
                policy.refuse(error)
            }
            // The body's own error is worth more: without a recorded end, nothing can be committed.
            (Err(error), Err(own)) => {
                span.in_scope(|| unsettled(&id, &error));
                report.ended(KeyEnd::Released);
                Err(own)
            }
            (Err(error), Ok(_)) => {
                report_refusal((&mut report, KeyEnd::Released), observed.as_deref(), &error);
                policy.refuse(error)
            }
        }
    }
}

async fn acquire(
    mut request: Box<Request>,
    span: &CallSpan,
    observed: &mut Option<Box<ObservedCall>>,
    tx: &mut dyn Transaction,
) -> Result<Acquired<TransactionReservation, Infallible>, Error> {
    request.operation.guarantee = Guarantee::ExactlyOnce;
    let engine = engine_of(&mut request)?;
    *observed = engine.observe(request.operation.name);
    if let Some(observed) = observed {
        request.trace_parent = observed.trace_parent(span);
    }
    acquire_in_transaction(request, engine, tx).await
}

/// Tells everybody who wants to know: the report, the engine's observer, and the call whose body makes
/// this one.
fn report_refusal(
    (report, key): (&mut CallReport, KeyEnd),
    observed: Option<&ObservedCall>,
    error: &Error,
) {
    report.refused(error, key);
    if let Some(observed) = observed {
        observed.refused(error);
    }
    if let Some(caller) = current() {
        caller.set_refused(error);
    }
}

/// Whether the transaction is not the one any more in which the call began, or can only be rolled back.
fn is_transaction_lost(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<StoreError>());
    cause.is_some_and(|cause| {
        matches!(cause.kind(), StoreErrorKind::RolledBack | StoreErrorKind::Mismatch)
    })
}

fn unsettled(id: &RecordId, error: &Error) {
    tracing::warn!(
        record = %id,
        error = error as &dyn std::error::Error,
        "a failed body's effects could not be undone: its transaction cannot be committed"
    );
}
