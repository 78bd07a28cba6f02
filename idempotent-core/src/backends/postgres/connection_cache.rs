//! Connections that stay out of their pool between queries.
//!
//! When a connection goes back to a pool, sqlx spawns a task that asks the server whether the connection
//! still lives: twice the round trips. So a connection stays here while it is young, and then goes through
//! its pool, which closes connections that have reached their maximum lifetime.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Error, PgConnection, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection_pool::ConnectionPool;

/// How long a connection stays out of its pool.
const LONGEST_OUT: Duration = Duration::from_secs(60);

/// The connections of one pool, which nothing else uses.
#[derive(Debug)]
pub(super) struct ConnectionCache {
    pool: ConnectionPool,
    /// One permit for each connection of the pool. A caller that waited for the pool itself would not
    /// learn of a connection that stays out of it. Closed with the cache.
    permits: Arc<Semaphore>,
    /// The most recently used one is last.
    idle: Mutex<Vec<IdleConnection>>,
    longest_idle: Duration,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PoolConnection<Postgres>,
    out_since: Instant,
    idle_since: Instant,
}

/// A connection that is used again only if it is [put back](Self::put_back). One that was dropped in the
/// middle of a query would make the next caller wait for the answer to that query, so it is closed.
pub(super) struct CachedConnection {
    /// `None` only once it was put back.
    connection: Option<PoolConnection<Postgres>>,
    /// `None` for a connection that goes straight back to its pool.
    slot: Option<CacheSlot>,
}

/// Where a connection is put back.
struct CacheSlot {
    cache: Arc<ConnectionCache>,
    out_since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl ConnectionCache {
    pub(super) fn new(pool: ConnectionPool) -> Self {
        let options = pool.pool().options();
        let permits = Arc::new(Semaphore::new(options.get_max_connections() as usize));
        let longest_idle = options.get_idle_timeout().unwrap_or(Duration::MAX);
        Self { pool, permits, idle: Mutex::default(), longest_idle }
    }

    /// The most recently used connection, or another one from the pool.
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<CachedConnection, Error> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| Error::PoolClosed)?;
        let (connection, out_since) = match self.take() {
            Some(IdleConnection { connection, out_since, .. }) => (connection, out_since),
            None => (self.pool.acquire().await?, Instant::now()),
        };
        let slot = CacheSlot { cache: Arc::clone(self), out_since, _permit: permit };
        Ok(CachedConnection { connection: Some(connection), slot: Some(slot) })
    }

    /// Whether somebody may have a connection now, if need be a new one.
    pub(super) fn is_free(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// Whether a connection is there for whoever takes it first.
    pub(super) fn has_idle(&self) -> bool {
        self.is_free() && !self.idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Closes the connections, after the queries that run now.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for idle in idle {
            // One that cannot be closed gracefully is closed all the same.
            let _ = idle.connection.close().await;
        }
        self.pool.pool().close().await;
    }

    fn take(&self) -> Option<IdleConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let last = idle.pop()?;
        if last.idle_since.elapsed() < self.longest_idle {
            return Some(last);
        }
        // The others have been idle even longer.
        close(idle.drain(..).chain([last]));
        None
    }

    fn put(&self, connection: PoolConnection<Postgres>, out_since: Instant) {
        let now = Instant::now();
        if now.duration_since(out_since) >= LONGEST_OUT {
            return drop(connection);
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.permits.is_closed() {
            return drop(connection);
        }
        let is_stale =
            |idle: &IdleConnection| now.duration_since(idle.idle_since) >= self.longest_idle;
        let stale = idle.iter().take_while(|idle| is_stale(idle)).count();
        close(idle.drain(..stale));
        idle.push(IdleConnection { connection, out_since, idle_since: now });
    }
}

impl Drop for ConnectionCache {
    /// Closes the connections. To put them back into the pool would take a runtime.
    fn drop(&mut self) {
        close(self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..));
    }
}

fn close(connections: impl Iterator<Item = IdleConnection>) {
    connections.for_each(|idle| drop(idle.connection.detach()));
}

impl CachedConnection {
    /// A connection that goes straight back to its pool.
    pub(super) const fn uncached(connection: PoolConnection<Postgres>) -> Self {
        Self { connection: Some(connection), slot: None }
    }

    /// Makes the connection available again. No query may be running on it.
    pub(super) fn put_back(mut self) {
        match (self.connection.take(), &self.slot) {
            (Some(connection), Some(slot)) => slot.cache.put(connection, slot.out_since),
            (connection, _) => drop(connection),
        }
    }

    /// The connection itself.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }
}

impl Drop for CachedConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
