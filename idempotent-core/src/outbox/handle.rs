//! [`Outbox`]: how many messages wait in it, and what to do with those that are parked.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgPool, PgRow};

use super::message_row::{MessageRow, system_time};
use super::statements::Statements;
use super::{Draft, Message, MessageId, OutboxError};
use crate::backends::PostgresStore;
use crate::backends::postgres::{
    ConnectionPool, Query, Retry, TableNames, is_in_transaction, is_lost, is_read_only, server_of,
};

/// The outbox of a database: relays deliver from it, and operators inspect it. Clones are the same outbox.
///
/// ```no_run
/// use idempotent_core::outbox::Outbox;
///
/// # async fn inspect(pool: sqlx::PgPool) -> Result<(), idempotent_core::outbox::OutboxError> {
/// let outbox = Outbox::new(pool);
/// let backlog = outbox.backlog().await?;
/// println!("{} pending, the oldest for {:?}; {} parked", backlog.pending, backlog.age, backlog.parked);
/// for parked in outbox.parked(None, 100).await? {
///     println!("{:?}: {}", parked.message, parked.reason);
///     outbox.retry(&parked).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Outbox {
    pool: ConnectionPool,
    statements: Statements,
    /// The server, for people.
    server: Arc<str>,
}

/// A message that was parked, because its broker did not accept it. From [`Outbox::parked`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parked {
    /// The message, whose [`attempt`](Message::attempt) is the next one.
    pub message: Message,
    /// Why the last attempt failed.
    pub reason: String,
    /// When it was parked, by the database's clock.
    pub parked_at: SystemTime,
    number: i64,
}

/// How much is in an outbox. From [`Outbox::backlog`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Backlog {
    /// Messages that wait to be delivered.
    pub pending: u64,
    /// How long ago the oldest of these was published; `None` if there is none.
    pub age: Option<Duration>,
    /// Messages that are parked.
    pub parked: u64,
}

impl Outbox {
    /// The outbox of a store with the default names, on connections of this pool. The store's
    /// [`connect`](PostgresStore::connect) creates its table. For a store with other names use
    /// [`Outbox::of`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let server = server_of(&pool.connect_options()).into();
        Self {
            pool: ConnectionPool::new(pool),
            statements: Statements::new(&TableNames::default()),
            server,
        }
    }

    /// The outbox of this store, on its pool. If the store has its own connections, the outbox opens as many
    /// again, and they are closed with the store.
    ///
    /// ```no_run
    /// use idempotent_core::outbox::{Draft, Outbox};
    /// use idempotent_core::backends::PostgresStore;
    ///
    /// # async fn pay(url: &str, pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::builder(url).schema("shop").connect().await?;
    /// let outbox = Outbox::of(&store);
    /// let mut tx = pool.begin().await?;
    /// outbox.publish(&mut tx, Draft::new("orders.paid", "order-7", "")).await?;
    /// tx.commit().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn of(store: &PostgresStore) -> Self {
        let (pool, names) = store.pool_and_names();
        let server = server_of(&pool.pool().connect_options()).into();
        Self { pool: pool.clone(), statements: Statements::new(names), server }
    }

    /// Publishes a draft as part of the transaction: like [`publish`](super::publish), for an outbox whose names
    /// are not the default ones.
    ///
    /// # Errors
    ///
    /// The same as those of [`Draft::publish`].
    pub async fn publish(
        &self,
        tx: &mut PgConnection,
        draft: Draft<'_>,
    ) -> Result<MessageId, OutboxError> {
        draft.publish_by(self.statements.publish(), tx).await
    }

    /// The parked messages, at most `limit` of them, in the order in which they were published; without `after`
    /// from the first one, otherwise from the one that follows it.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached.
    pub async fn parked(
        &self,
        after: Option<&Parked>,
        limit: usize,
    ) -> Result<Vec<Parked>, OutboxError> {
        let query = || {
            Query::new(&self.statements.parked())
                .bind(after.map_or(i64::MIN, |parked| parked.number))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        };
        let rows = self.fetch(query, Retry::Yes).await?;
        let read = |row| {
            let MessageRow { number, message, .. } = MessageRow::read(row)?;
            let (parked_at, reason) = (system_time(row.try_get(10)?), row.try_get(11)?);
            Ok(Parked { message, reason, parked_at, number })
        };
        rows.iter().map(read).collect()
    }

    /// Makes a parked message pending again, and says whether it was still parked. It is delivered before the
    /// pending messages of its key, and after those that were delivered meanwhile.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached.
    pub async fn retry(&self, parked: &Parked) -> Result<bool, OutboxError> {
        self.decide(self.statements.retry(), parked).await
    }

    /// Deletes a parked message, and says whether it was still parked.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached.
    pub async fn discard(&self, parked: &Parked) -> Result<bool, OutboxError> {
        self.decide(self.statements.discard(), parked).await
    }

    async fn decide(&self, statement: sqlx::SqlStr, parked: &Parked) -> Result<bool, OutboxError> {
        let query =
            || Query::new(&statement).bind(parked.number).bind(parked.message.id.to_string());
        // The second answer would say that somebody else has decided.
        Ok(!self.fetch(query, Retry::No).await?.is_empty())
    }

    /// How many messages are pending and parked. The query counts them all, so run it once a minute, not once a
    /// second.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached.
    pub async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let rows = self.fetch(|| Query::new(&self.statements.backlog()), Retry::Yes).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (pending, parked): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let age: Option<f64> = row.try_get(2)?;
        Ok(Backlog {
            pending: pending.unsigned_abs(),
            age: age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()),
            parked: parked.unsigned_abs(),
        })
    }

    async fn fetch(
        &self,
        query: impl Fn() -> Query,
        retry: Retry,
    ) -> Result<Vec<PgRow>, OutboxError> {
        self.named(self.fetch_unnamed(query, retry).await)
    }

    /// Names the server in an error.
    pub(super) fn named<T>(&self, answer: Result<T, OutboxError>) -> Result<T, OutboxError> {
        answer.map_err(|error| error.at(&self.server))
    }

    /// Runs a query on a connection that commits it. One that was lost, or is within a transaction that somebody
    /// left open, is closed.
    async fn fetch_unnamed(
        &self,
        query: impl Fn() -> Query,
        retry: Retry,
    ) -> Result<Vec<PgRow>, OutboxError> {
        let mut others = self.pool.pool().options().get_max_connections();
        loop {
            let mut connection = self.pool.acquire().await?;
            let error = match query().fetch_all(&mut connection).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            let is_refused = is_in_transaction(&error);
            if is_refused || is_lost(&error) || is_read_only(&error) {
                connection.close_on_drop();
            }
            if others == 0 || !(is_refused || (is_lost(&error) && retry == Retry::Yes)) {
                return Err(error.into());
            }
            others -= 1;
        }
    }

    pub(super) fn pool(&self) -> &ConnectionPool {
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
