//! Connections of a pool that the store has to itself, at hand from one question to the next. Asking,
//! and what happens when one is lost, is the [`link`](super::link)'s.
//!
//! A connection that goes back to a pool of sqlx makes a task, which asks the server whether it still
//! lives: twice the trips. Here it stays out of the pool while it is young, and then goes through it,
//! which ends what is older than a connection may be.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Error, PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How long a connection stays out of its pool.
const LONGEST_OUT: Duration = Duration::from_secs(60);

/// The connections of one pool, which nothing else takes any from.
#[derive(Debug)]
pub(super) struct Kept {
    pool: PgPool,
    /// One for each connection that the pool may have. Whoever waited for the pool itself would not hear
    /// of one that stays out of it.
    turns: Semaphore,
    /// Those that were used last are last.
    idle: Mutex<Vec<Idle>>,
    longest_idle: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: PoolConnection<Postgres>,
    out_since: Instant,
    idle_since: Instant,
}

/// A connection that is used again only if it is [`kept`](Self::keep): one that is left in the middle of
/// a question would keep the next caller waiting for the answer to this one.
pub(super) struct Borrowed<'k> {
    /// `None` only once it is given away.
    connection: Option<PoolConnection<Postgres>>,
    home: Option<Home<'k>>,
}

/// Where a connection stays.
struct Home<'k> {
    kept: &'k Kept,
    out_since: Instant,
    _turn: SemaphorePermit<'k>,
}

impl Kept {
    pub(super) fn new(pool: PgPool) -> Self {
        let options = pool.options();
        let turns = Semaphore::new(options.get_max_connections() as usize);
        let longest_idle = options.get_idle_timeout().unwrap_or(Duration::MAX);
        Self { pool, turns, idle: Mutex::default(), longest_idle }
    }

    /// The connection that was used last, or another one of the pool.
    pub(super) async fn borrow(&self) -> Result<Borrowed<'_>, Error> {
        let turn = self.turns.acquire().await.map_err(|_| Error::PoolClosed)?;
        let (connection, out_since) = match self.take() {
            Some(Idle { connection, out_since, .. }) => (connection, out_since),
            None => (self.pool.acquire().await?, Instant::now()),
        };
        let home = Home { kept: self, out_since, _turn: turn };
        Ok(Borrowed { connection: Some(connection), home: Some(home) })
    }

    fn take(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let last = idle.pop()?;
        if last.idle_since.elapsed() < self.longest_idle {
            return Some(last);
        }
        // The others have been idle for longer.
        end(idle.drain(..).chain([last]));
        None
    }

    fn put(&self, connection: PoolConnection<Postgres>, out_since: Instant) {
        let now = Instant::now();
        if now.duration_since(out_since) >= LONGEST_OUT {
            return drop(connection);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stale = |idle: &Idle| now.duration_since(idle.idle_since) >= self.longest_idle;
        let stale = idle.iter().take_while(|idle| is_stale(idle)).count();
        end(idle.drain(..stale));
        idle.push(Idle { connection, out_since, idle_since: now });
    }
}

impl Drop for Kept {
    /// Not back to the pool, which would want a runtime for that.
    fn drop(&mut self) {
        end(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..));
    }
}

fn end(connections: impl Iterator<Item = Idle>) {
    connections.for_each(|idle| drop(idle.connection.detach()));
}

impl Borrowed<'_> {
    /// One that goes straight back to its pool.
    pub(super) const fn of(connection: PoolConnection<Postgres>) -> Self {
        Self { connection: Some(connection), home: None }
    }

    /// Nothing is under way on it.
    pub(super) fn keep(mut self) {
        match (self.connection.take(), &self.home) {
            (Some(connection), Some(home)) => home.kept.put(connection, home.out_since),
            (connection, _) => drop(connection),
        }
    }

    /// The connection itself.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
