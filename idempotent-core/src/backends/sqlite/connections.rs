//! The connections to the file: the store's own, also where the application has a pool.
//!
//! Calls of the application hold its connections while they run. The store has others, to the same file with
//! the same options, so that no lease lapses because its renewal waits for the body that it is for. Writes have
//! one of their own, which no read can keep busy. And nobody else's transaction is open on any of them.
//!
//! The application's own connections are used where only they can be: if they lock the file exclusively, and
//! once the store has been closed.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, Error, Sqlite, SqliteConnection, SqlitePool};

use super::error::{is_moved_file, is_nested_begin, is_of_connection};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// The connections to a file.
pub(super) struct Connections {
    /// The application's, if the store was opened on a pool.
    applications: Option<SqlitePool>,
    /// The store's own.
    own: OwnConnections,
    /// Whether only the application's can be used, if there are some.
    is_exclusive: AtomicBool,
}

struct OwnConnections {
    pool_options: PoolOptions<Sqlite>,
    options: SqliteConnectOptions,
    pools: Mutex<Pools>,
}

#[derive(Clone)]
struct Pools {
    readers: SqlitePool,
    writer: SqlitePool,
    is_closed: bool,
}

/// A connection for one query or one transaction.
pub(super) struct Borrowed {
    pub(super) connection: PoolConnection<Sqlite>,
    is_own: bool,
}

impl Connections {
    /// Connections of the store's own. Nothing is opened yet.
    pub(super) fn own(options: SqliteConnectOptions, pool_options: PoolOptions<Sqlite>) -> Self {
        let own = OwnConnections::new(options, pool_options);
        Self { applications: None, own, is_exclusive: AtomicBool::new(false) }
    }

    /// Connections like those of the application's pool, at most so many for reads. Nothing is opened yet.
    pub(super) fn beside(pool: SqlitePool, max_connections: u32, timeout: Duration) -> Self {
        let pool_options = pool.options().clone().min_connections(0);
        let pool_options = pool_options.max_connections(max_connections).acquire_timeout(timeout);
        let own = OwnConnections::new((*pool.connect_options()).clone(), pool_options);
        Self { applications: Some(pool), own, is_exclusive: AtomicBool::new(false) }
    }

    /// Takes into account that no second connection can be opened beside one that is open.
    pub(super) fn use_one_pool(&self) {
        if self.applications.is_some() {
            self.is_exclusive.store(true, Ordering::Release);
        } else {
            let mut pools = self.own.lock();
            pools.writer = pools.readers.clone();
        }
    }

    /// The store's own, unless only the application's can be used.
    fn usable(&self) -> Option<&OwnConnections> {
        (!self.is_exclusive.load(Ordering::Acquire)).then_some(&self.own)
    }

    /// Borrows a connection on which no transaction is open.
    pub(super) async fn acquire(&self, purpose: Purpose) -> Result<Borrowed, Error> {
        loop {
            let (pool, is_own) = self.pool(purpose)?;
            let mut connection = match pool.acquire().await {
                Err(Error::PoolClosed) if is_own && self.was_replaced(&pool, purpose) => continue,
                acquired => acquired?,
            };
            // Sqlx counts a transaction that `SQLite` has ended by itself, and can neither end it nor begin one.
            if !connection.is_in_transaction()
                && (is_own || !is_in_transaction(&mut connection).await?)
            {
                return Ok(Borrowed { connection, is_own });
            }
            tracing::debug!("a connection was closed because a transaction was open on it");
            let _ = connection.close().await;
        }
    }

    /// Borrows a connection of the application's, if the store was opened on its pool.
    pub(super) async fn acquire_first(&self) -> Result<Borrowed, Error> {
        let Some(pool) = &self.applications else { return self.acquire(Purpose::Write).await };
        loop {
            let mut connection = pool.acquire().await?;
            if !connection.is_in_transaction() && !is_in_transaction(&mut connection).await? {
                return Ok(Borrowed { connection, is_own: false });
            }
            let _ = connection.close().await;
        }
    }

    /// Takes a connection back after a query. One that may be at fault for its error is closed.
    pub(super) async fn give_back(&self, borrowed: Borrowed, error: Option<&Error>) {
        let Some(error) = error else { return };
        let Borrowed { connection, is_own } = borrowed;
        // `SQLite` may have ended the transaction by itself, which sqlx does not know.
        if is_of_connection(error) || connection.is_in_transaction() {
            let _ = connection.close().await;
        }
        if let Some(own) = self.usable().filter(|_| is_own && is_moved_file(error)) {
            own.reopen();
        }
    }

    /// The path of the file.
    pub(super) fn file(&self) -> PathBuf {
        self.own.options.get_filename().to_owned()
    }

    /// Closes the store's own connections.
    pub(super) async fn close(&self) {
        let Some(own) = self.usable() else { return };
        let pools = {
            let mut pools = own.lock();
            pools.is_closed = true;
            pools.clone()
        };
        pools.close().await;
    }

    /// Returns once the application has closed its pool and all its connections, and never if the store has
    /// none. Only the last connection to be closed leaves the file whole, and of several that close at once
    /// each may take another for the last.
    pub(super) async fn application_closed(&self) {
        match &self.applications {
            Some(pool) => {
                pool.close_event().await;
                pool.close().await;
            }
            None => std::future::pending().await,
        }
    }

    fn was_replaced(&self, pool: &SqlitePool, purpose: Purpose) -> bool {
        self.pool(purpose).is_ok_and(|(now, _)| !now.is_closed() && pool.is_closed())
    }

    fn pool(&self, purpose: Purpose) -> Result<(SqlitePool, bool), Error> {
        if self.applications.as_ref().is_some_and(SqlitePool::is_closed) {
            return Err(Error::PoolClosed);
        }
        if let Some(own) = self.usable() {
            let pools = own.lock();
            if !pools.is_closed {
                return Ok((pools.of(purpose).clone(), true));
            }
        }
        self.applications.clone().map(|pool| (pool, false)).ok_or(Error::PoolClosed)
    }
}

impl OwnConnections {
    fn new(options: SqliteConnectOptions, pool_options: PoolOptions<Sqlite>) -> Self {
        let pools = Mutex::new(Pools::new(&options, &pool_options));
        Self { pool_options, options, pools }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens new connections from now on, and closes the others once they are idle.
    fn reopen(&self) {
        let old = {
            let mut pools = self.lock();
            if pools.is_closed {
                return;
            }
            std::mem::replace(&mut *pools, Pools::new(&self.options, &self.pool_options))
        };
        tracing::warn!("the file was moved or replaced while it was open: it is opened anew");
        tokio::spawn(async move { old.close().await });
    }
}

impl Pools {
    fn new(options: &SqliteConnectOptions, pool_options: &PoolOptions<Sqlite>) -> Self {
        let readers = pool_options.clone().connect_lazy_with(options.clone());
        let writer = pool_options.clone().max_connections(1).connect_lazy_with(options.clone());
        Self { readers, writer, is_closed: false }
    }

    const fn of(&self, purpose: Purpose) -> &SqlitePool {
        match purpose {
            Purpose::Read => &self.readers,
            Purpose::Write => &self.writer,
        }
    }

    async fn close(self) {
        // The last one to close moves the log into the file, and needs to be alone for that.
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Whether a transaction is open, which `SQLite` only tells by refusing to begin another one. What begins here
/// takes no lock.
pub(super) async fn is_in_transaction(connection: &mut SqliteConnection) -> Result<bool, Error> {
    match sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await {
        Ok(_) => Ok(false),
        Err(error) if is_nested_begin(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("file", &self.file()).finish_non_exhaustive()
    }
}
