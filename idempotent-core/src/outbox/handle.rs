//! The outbox as an operator has it: what waits, what was parked, and what becomes of that.

use std::fmt;
use std::time::{Duration, SystemTime};

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Row, query};

use super::row::{Stored, moment};
use super::sql::Statements;
use super::{Draft, Message, MessageId, OutboxError};
use crate::store::PostgresStore;
use crate::store::postgres::Names;

/// The outbox of a database: what relays deliver from, and an operator looks into. Clones are the
/// same outbox.
///
/// ```no_run
/// use idempotent_core::outbox::Outbox;
///
/// # async fn look(pool: sqlx::PgPool) -> Result<(), idempotent_core::outbox::OutboxError> {
/// let outbox = Outbox::new(pool);
/// let backlog = outbox.backlog().await?;
/// println!("{} wait, for at most {:?}; {} are parked", backlog.pending, backlog.age, backlog.parked);
/// for parked in outbox.parked(None, 100).await? {
///     println!("{:?}: {}", parked.message, parked.reason);
///     outbox.retry(&parked).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Outbox {
    pool: PgPool,
    statements: Statements,
}

/// A message that was put aside, since its broker did not take it. From [`Outbox::parked`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parked {
    /// The message, whose [`attempt`](Message::attempt) is the next one.
    pub message: Message,
    /// Why the last attempt failed.
    pub reason: String,
    /// When it was put aside, by the database's clock.
    pub parked_at: SystemTime,
    number: i64,
}

/// How much is in an outbox. From [`Outbox::backlog`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Backlog {
    /// Messages that wait to be delivered.
    pub pending: u64,
    /// How long ago the oldest of these was published; `None` if none waits.
    pub age: Option<Duration>,
    /// Messages that were put aside.
    pub parked: u64,
}

impl Outbox {
    /// The outbox beside the records of a store with the default names, whose
    /// [`migrate`](PostgresStore::migrate) makes its table, on connections of this pool. Beside those
    /// of a store with names of its own it is [`Outbox::of`] that store.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, statements: Statements::new(&Names::default()) }
    }

    /// The outbox beside the records of this store, on its pool; for a store with connections of its
    /// own, on as many more.
    ///
    /// ```no_run
    /// use idempotent_core::outbox::{Draft, Outbox};
    /// use idempotent_core::store::PostgresStore;
    ///
    /// # async fn pay(url: &str, pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::builder(url).schema("shop").connect().await?;
    /// store.migrate().await?;
    /// let outbox = Outbox::of(&store);
    /// let mut tx = pool.begin().await?;
    /// outbox.publish(&mut tx, Draft::new("orders.paid", "order-7", "")).await?;
    /// tx.commit().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn of(store: &PostgresStore) -> Self {
        let (pool, names) = store.place();
        Self { pool: pool.clone(), statements: Statements::new(names) }
    }

    /// Publishes a draft as a part of the transaction: [`publish`](super::publish) for an outbox whose
    /// names are not the default ones.
    ///
    /// # Errors
    ///
    /// As [`Draft::publish`].
    pub async fn publish(
        &self,
        tx: &mut PgConnection,
        draft: Draft<'_>,
    ) -> Result<MessageId, OutboxError> {
        draft.publish_by(self.statements.publish(), tx).await
    }

    /// The messages that were put aside, at most `limit`, in the order in which they were published; from
    /// the one after `after` on.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn parked(
        &self,
        after: Option<&Parked>,
        limit: usize,
    ) -> Result<Vec<Parked>, OutboxError> {
        let rows = query(self.statements.parked())
            .bind(after.map_or(i64::MIN, |parked| parked.number))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let read = |row| {
            let Stored { number, message, .. } = Stored::read(row)?;
            let (parked_at, reason) = (moment(row.try_get(10)?), row.try_get(11)?);
            Ok(Parked { message, reason, parked_at, number })
        };
        rows.iter().map(read).collect()
    }

    /// Lets a message that was put aside be delivered after all, and says whether it was still there. It
    /// comes before what waits under its key, and after what was delivered in the meantime.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn retry(&self, parked: &Parked) -> Result<bool, OutboxError> {
        self.decide(self.statements.retry(), parked).await
    }

    /// Gives a message that was put aside up for good, and says whether it was still there.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn discard(&self, parked: &Parked) -> Result<bool, OutboxError> {
        self.decide(self.statements.discard(), parked).await
    }

    async fn decide(&self, statement: sqlx::SqlStr, parked: &Parked) -> Result<bool, OutboxError> {
        let decided = query(statement)
            .bind(parked.number)
            .bind(parked.message.id.to_string())
            .execute(&self.pool)
            .await?;
        Ok(decided.rows_affected() > 0)
    }

    /// How much waits, for how long, and how much was put aside. It counts, so ask it by the minute.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let row = query(self.statements.backlog()).fetch_one(&self.pool).await?;
        let (pending, parked): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let age: Option<f64> = row.try_get(2)?;
        Ok(Backlog {
            pending: pending.unsigned_abs(),
            age: age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()),
            parked: parked.unsigned_abs(),
        })
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn statements(&self) -> &Statements {
        &self.statements
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
