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
    group: usize,
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
    /// * The handler ends the transaction itself, with a `COMMIT`, which the database refuses, a `ROLLBACK`, or a nested `begin` that it drops
    ///   halfway: a failed attempt.
    /// * The handler leaves a savepoint open: what it did is committed. So it is if the handler forgets a nested transaction of
    ///   sqlx on PostgreSQL. On `SQLite` that is a failed attempt, after which the connection keeps the lock for writing until the
    ///   pool hands it out again, which ends that transaction. A pool of several connections may hand out others first, which
    ///   find the lock taken: do not `mem::forget` one there.
    /// * A statement has failed, and the handler returns `Ok` nevertheless: PostgreSQL commits nothing then, so that is a
    ///   failed attempt.
    ///
    /// A message needs one connection of the pool while its handler runs. Others are taken for its attempts, before and after that: a
    /// pool with as many connections as the [concurrency](Self::concurrency) will do. `SQLite` has one writer at a time, so its
    /// handlers run one after the other.
    ///
    /// On PostgreSQL, while more messages wait than the pool has connections, the next transaction begins where another one is
    /// committed, in the same message to the server. After 32 of them in a row, or a tenth of a second, the connection goes
    /// back to the pool, where others may wait for it. In between, the pool's `after_release` and `before_acquire` do not run: what
    /// a handler sets for the session, and not for the transaction, is set for the next message too. `now()` is when the commit before
    /// was sent; the message was already waiting for the connection then. So `now()` does not go back among the messages of one
    /// [ordering key](Self::ordered_by).
    ///
    /// Before its transaction has been committed, the database cannot always tell that a call runs. So a call with the id of one in
    /// whose transaction it is made is refused as in progress, also if another engine makes it, on another database: give
    /// operations different names there.
    ///
    /// The guarantee is [`ExactlyOnce`](crate::Guarantee::ExactlyOnce), and there is no lease. A
    /// [guarantee](Self::guarantee) *at most once* is refused at the start.
    pub fn within<P: InboxPool>(self, pool: P) -> InboxBuilder<P> {
        InboxBuilder { builder: self, pool, group: 1 }
    }
}

impl<P: InboxPool> InboxBuilder<P> {
    /// Handles up to so many messages in one transaction, one after the other, commits them together, and then
    /// acknowledges them. Default: 1. The consumer is [refused](crate::consumer::ConsumerError::Misconfigured) at its start
    /// with 0, or with more than 50.
    ///
    /// Write this where commits are what takes the time, and for handlers that **run nothing but SQL in their
    /// transaction**, and little of it. A group never waits to fill up: it takes the messages that have come while the
    /// one before was committed, so it needs a [concurrency](ConsumerBuilder::concurrency) above the group's size, and under
    /// little load each message still has a transaction of its own. **Measure it**: a consumer sends the statements of its groups
    /// over at most three connections, one after the other, so where the database is far away, many small transactions at once
    /// may be faster.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # mod shop {
    /// # use idempotent_core::Idempotency;
    /// # use idempotent_core::consumer::{Consumer, InboxTransaction, Json};
    /// # use sqlx::{PgPool, Postgres};
    /// async fn count(Json(item): Json<i64>, mut tx: InboxTransaction<Postgres>) -> sqlx::Result<()> {
    ///     let update = sqlx::query("UPDATE stock SET sold = sold + 1 WHERE item = $1");
    ///     update.bind(item).execute(&mut **tx).await.map(drop)
    /// }
    ///
    /// # fn start(engine: &Idempotency, pool: PgPool) -> Consumer {
    /// Consumer::builder("shop.item-sold", engine)
    ///     .concurrency(128)
    ///     .within(pool)
    ///     .group(50)
    ///     .handler(count)
    /// # }
    /// # }
    /// ```
    ///
    /// # What differs
    ///
    /// * **A failure undoes the group.** After an error or a panic of a handler, a failed statement, a conflict, a commit
    ///   that fails, or one whose answer is lost, each message of the group is handled again in a transaction of its own.
    ///   So only the one that fails there is retried or parked, and no attempt of another one is counted. But
    ///   the handlers of all of them have run once more: what they do outside of the transaction happens again.
    /// * PostgreSQL is asked about all messages of a group by one statement, before the first handler runs, and their results are
    ///   written by one, after the last. In between, each message costs what its handler sends, and one round trip that releases a
    ///   savepoint around it: so no handler can undo what another one did. Until the results are written, the database refuses
    ///   to commit, also for a handler that runs `COMMIT`.
    /// * Messages that were delivered before, whatever for, have a transaction of their own, and so has one whose broker does not
    ///   say that this is its [first delivery](crate::consumer::Message::delivery_count). So one that fails again and again, or
    ///   takes its process down, does so alone.
    /// * The whole group has 30 seconds, or [`max_run`](ConsumerBuilder::max_run) if that is shorter, and then each message
    ///   `max_run`. As long does one that has a transaction of its own keep others waiting so that they form a group. So handlers
    ///   that are stuck hold up the others for so long, and not for `max_run`. Where a broker does not wait for longer
    ///   than that, such as RabbitMQ, `max_run` is a third of what the broker waits.
    /// * The pool's role needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the store's table, and `DELETE` only for groups. Why
    ///   the database refuses groups is logged as a warning, once a run.
    /// * PostgreSQL itself ends a statement of a group after the group's time, or sooner if the session's `statement_timeout` is
    ///   shorter. One that waits for a row, which somebody else has locked, would otherwise hold the locks of the whole
    ///   group. It also ends the session of a group that sends nothing for that time and two
    ///   [`store_timeout`](crate::IdempotencyBuilder::store_timeout)s, as one does whose process is stopped, or whose
    ///   transaction a handler keeps.
    /// * Locks are held until the group is committed. Handlers that write the same rows in different orders may deadlock
    ///   with other workers and with other groups, of which a consumer has three at once. That costs PostgreSQL's
    ///   `deadlock_timeout`, 1 second, each time.
    /// * Each message that writes is a subtransaction of PostgreSQL, and so is each savepoint and nested transaction in which its
    ///   handler writes. A session remembers 64 of them. With more in a group, reading is slower for all other sessions
    ///   while the group is open: for handlers with savepoints of their own, choose 30 or fewer.
    /// * What is set for a transaction is set for the rest of the group: `SET LOCAL`, `now()`, advisory locks, tables that
    ///   are dropped at the commit. Deferred constraints are checked at its end.
    /// * When the consumer stops, the group is committed after the handler that runs, and the messages that have not
    ///   started are given back.
    ///
    /// Messages of one [ordering key](ConsumerBuilder::ordered_by) are never in one group: the second one waits until
    /// the first is acknowledged.
    pub fn group(mut self, messages: usize) -> Self {
        self.group = messages;
        self
    }

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
        let handling =
            InboxHandling::<P, H, A>::new(self.pool, Arc::new(handler), judge, self.group);
        self.builder.into_consumer(Arc::new(handling))
    }
}

impl<P> fmt::Debug for InboxBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxBuilder")
            .field("builder", &self.builder)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
