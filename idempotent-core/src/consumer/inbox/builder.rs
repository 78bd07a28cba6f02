//! [`InboxBuilder`]: a consumer whose handler runs within a transaction.

use std::fmt;
use std::sync::Arc;

use super::handler::InboxHandler;
use super::pool::InboxPool;
use super::process::InboxHandling;
use crate::consumer::builder::{Consumer, ConsumerBuilder};
use crate::consumer::failure::Failure;

/// The options of a consumer whose handler runs within a transaction. [`handler`](Self::handler) ends them. From
/// [`ConsumerBuilder::within`].
#[must_use = "a consumer needs a handler, and then runs"]
pub struct InboxBuilder<P> {
    builder: ConsumerBuilder,
    pool: P,
}

impl ConsumerBuilder {
    /// Runs the handler within a transaction of this pool, and begins and commits that itself: the record, what the handler
    /// writes there, the messages that it publishes through the [outbox](crate::outbox) and its result commit together, and
    /// then the message is acknowledged. So the database has each effect exactly once.
    ///
    /// The pool is sqlx's `PgPool` or `SqlitePool`, of the database in which the engine's store keeps its records. The
    /// handler takes the [`InboxTransaction`](super::InboxTransaction) as its second argument.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # mod shop {
    /// use idempotent_core::Idempotency;
    /// use idempotent_core::backends::PostgresStore;
    /// use idempotent_core::consumer::{Consumer, InboxTransaction, Json};
    /// use idempotent_core::outbox;
    /// use sqlx::{PgPool, Postgres};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct OrderPlaced {
    ///     order: i64,
    /// }
    ///
    /// type Failure = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// async fn ship(
    ///     Json(placed): Json<OrderPlaced>,
    ///     mut tx: InboxTransaction<Postgres>,
    /// ) -> Result<(), Failure> {
    ///     let order = placed.order;
    ///     sqlx::query("UPDATE orders SET shipped = true WHERE id = $1")
    ///         .bind(order)
    ///         .execute(&mut **tx)
    ///         .await?;
    ///     outbox::publish(&mut tx, "orders.shipped", &format!("order-{order}"), "{}").await?;
    ///     Ok(())
    /// }
    ///
    /// # async fn start(pool: PgPool) -> Result<(), Failure> {
    /// let engine = Idempotency::new(PostgresStore::connect(pool.clone()).await?);
    /// let consumer =
    ///     Consumer::builder("shop.order-placed", &engine).within(pool).handler(ship);
    /// # Ok(()) }
    /// # }
    /// ```
    ///
    /// # What becomes of the transaction
    ///
    /// * The handler returns an error, panics, runs for longer than [`max_run`](Self::max_run), or is interrupted when the
    ///   consumer stops: it is rolled back, so nothing has happened, and nothing is
    ///   [unknown](crate::consumer::Failure::Unknown). The message is delivered again.
    ///   A statement that still runs then keeps its connection, and its locks, until the database has ended it: limit that
    ///   with PostgreSQL's `statement_timeout`.
    /// * A conflict with another transaction, such as a serialization failure or a deadlock: it is run again at once, and
    ///   only the tenth one counts as a failed attempt. What the handler does outside of it happens each time.
    /// * The answer to the commit is lost, or does not come within the engine's
    ///   [`store_timeout`](crate::IdempotencyBuilder::store_timeout): the same transaction is begun again, and finds the record if the first one was
    ///   committed.
    /// * The process dies between commit and acknowledgement: the message is delivered again, and replays.
    /// * The database does not answer: the consumer [pauses](crate::consumer), also if the handler fails because of that,
    ///   unless its error is judged to be [`Permanent`](Failure::Permanent) or a [`RetryAfter`](Failure::RetryAfter). If the
    ///   database answers right after that, as it does when the handler has lost another one, the handler runs again, and
    ///   the third time counts as a failed attempt.
    /// * The handler ends the transaction itself, with a `ROLLBACK` or a nested `begin` that it drops halfway: a failed attempt.
    /// * A statement has failed, and the handler returns `Ok` nevertheless: PostgreSQL commits nothing then, so that is a
    ///   failed attempt.
    ///
    /// A message needs one connection of the pool while its handler runs. Others are taken for its attempts, before and after that: a
    /// pool with as many connections as the [concurrency](Self::concurrency) will do. `SQLite` has one writer at a time, so its
    /// handlers run one after the other.
    ///
    /// The guarantee is [`ExactlyOnce`](crate::Guarantee::ExactlyOnce), and there is no lease. A
    /// [guarantee](Self::guarantee) *at most once* is refused at the start.
    pub fn within<P: InboxPool>(self, pool: P) -> InboxBuilder<P> {
        InboxBuilder { builder: self, pool }
    }
}

impl<P: InboxPool> InboxBuilder<P> {
    /// The consumer, whose handler is this function. Every error of it means [`Failure::Retry`].
    pub fn handler<A: 'static>(self, handler: impl InboxHandler<P::Database, A>) -> Consumer {
        self.handler_with(handler, |_| Failure::Retry)
    }

    /// The same with a function that says what an error means. [`Failure::Unknown`] is a [`Failure::Retry`] here, since
    /// what the handler did is undone; so it is if the function panics.
    pub fn handler_with<H: InboxHandler<P::Database, A>, A: 'static>(
        self,
        handler: H,
        judge: fn(&H::Err) -> Failure,
    ) -> Consumer {
        let handling = InboxHandling::<P, H, A>::new(self.pool, handler, judge);
        self.builder.into_consumer(Arc::new(handling))
    }
}

impl<P> fmt::Debug for InboxBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxBuilder").field("builder", &self.builder).finish_non_exhaustive()
    }
}
