//! Running queries on the server: each takes a connection, has a deadline, and is tried again if its
//! connection cannot be used.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Error, PgPool};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::autocommit::Connections;
use super::connection_cache::{CachedConnection, ConnectionCache};
use super::connection_pool::ConnectionPool;
use super::error::{is_conflict, is_in_transaction, is_lost, is_read_only, store_error, timed_out};
use super::first_of::first_of;
use super::query::{Purpose, Query};
use super::reachability::Reachability;
use super::read_only::ReadOnlyServer;
use super::running_query::{self, Answer};
use crate::store::StoreError;
use crate::store::poll::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Runs the queries of one store.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// For other parts of this crate, and for queries if there is no cache.
    pool: ConnectionPool,
    /// Only on connections of the store's own.
    cache: Option<Arc<ConnectionCache>>,
    /// One connection for what keeps a call alive while all others are taken. Opened when it is first needed.
    spare: Arc<ConnectionCache>,
    read_only: Arc<ReadOnlyServer>,
    reachability: Arc<Reachability>,
    timeout: Duration,
}

/// Whether a query may be sent again if its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The second answer means the same as the first.
    Yes,
    /// The second answer would be wrong.
    No,
}

/// A query that failed.
struct Failure {
    error: Error,
    /// Whether its connection was closed, so that the next try takes another one.
    is_closed: bool,
}

impl Connection {
    /// Runs queries on connections of an application's pool.
    pub(super) fn shared(pool: ConnectionPool, spare: ConnectionPool, timeout: Duration) -> Self {
        let spare = Arc::new(ConnectionCache::new(spare));
        let reachability = Arc::default();
        Self { pool, cache: None, spare, read_only: Arc::default(), reachability, timeout }
    }

    /// Runs queries on connections of `queries`, which nothing else may use.
    pub(super) fn own(
        pool: ConnectionPool,
        queries: ConnectionPool,
        spare: ConnectionPool,
        timeout: Duration,
    ) -> Self {
        let cache = Some(Arc::new(ConnectionCache::new(queries)));
        Self { cache, ..Self::shared(pool, spare, timeout) }
    }

    pub(super) const fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    /// Whose connections the queries run on.
    pub(super) const fn connections(&self) -> Connections {
        match self.cache {
            Some(_) => Connections::Own,
            None => Connections::Shared,
        }
    }

    /// The longest that a step may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The deadline of a query that begins now.
    pub(super) fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.timeout).unwrap_or_else(|| now + Duration::from_secs(86_400))
    }

    /// Runs a query, and returns its rows.
    pub(super) async fn fetch(
        &self,
        query: impl Fn() -> Query,
        retry: Retry,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.fetch_until(query, retry, self.deadline()).await.map_err(store_error)
    }

    /// Runs a query until a deadline.
    pub(super) async fn fetch_until(
        &self,
        query: impl Fn() -> Query,
        retry: Retry,
        deadline: Instant,
    ) -> Result<Vec<PgRow>, Error> {
        // After a restart of the server every idle connection of the pool is dead.
        let mut at_once = self.max_connections().saturating_add(1);
        let mut pause = FIRST_PAUSE;
        loop {
            let Failure { error, is_closed } = match self.try_once(query(), deadline).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            // The server refused the query, so it did nothing.
            let is_refused = is_conflict(&error)
                || (is_closed && (is_in_transaction(&error) || is_read_only(&error)));
            let again = is_refused || (is_lost(&error) && retry == Retry::Yes);
            if !again || Instant::now() >= deadline {
                return Err(error);
            }
            if at_once > 0 {
                at_once -= 1;
            } else {
                sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Notes that the server accepts writes.
    pub(super) fn wrote(&self) {
        self.read_only.wrote();
    }

    /// Closes the store's own connections, after the queries that run now. An application's pool stays
    /// open.
    pub(super) async fn close(&self) {
        self.spare.close().await;
        if let Some(cache) = &self.cache {
            cache.close().await;
            self.pool.pool().close().await;
        }
    }

    /// A connection for more than one query.
    pub(super) async fn acquire(&self) -> Result<CachedConnection, Error> {
        self.acquire_until(Purpose::Work, self.deadline()).await
    }

    async fn acquire_until(
        &self,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<CachedConnection, Error> {
        // What is left after it would be enough for the query.
        let half = || {
            let now = Instant::now();
            now + deadline.saturating_duration_since(now) / 2
        };
        let (usual, spare) = (self.acquire_usual(), self.spare.acquire());
        let acquired = match purpose {
            // Whoever waits for longer in a queue of callers would get a connection with too little time left to use
            // it, and so would everybody behind: nothing would be done any more.
            Purpose::Work if self.is_exhausted() => timeout_at(half(), usual).await,
            Purpose::Work => {
                let mut usual = pin!(usual);
                match timeout_at(half(), usual.as_mut()).await {
                    Ok(acquired) => Ok(acquired),
                    // The pool may still find a connection, but it will not say why it finds none.
                    Err(_) => {
                        let limit = self.timeout / 4;
                        drop(self.reachability.explain(&self.pool, limit, self.timeout).await);
                        timeout_at(deadline, usual).await
                    }
                }
            }
            Purpose::Renew if self.spare.is_free() || !self.has_idle() => {
                timeout_at(deadline, first_of(spare, usual, half())).await
            }
            Purpose::Renew | Purpose::Settle => {
                timeout_at(deadline, first_of(usual, spare, half())).await
            }
        };
        match acquired {
            Ok(Err(Error::PoolTimedOut)) | Err(_) if purpose == Purpose::Work => {
                let limit = self.timeout / 4;
                Err(self.reachability.explain(&self.pool, limit, self.timeout).await)
            }
            Ok(Err(Error::PoolTimedOut)) | Err(_) => Err(self.reachability.known(self.timeout)),
            Ok(acquired) => acquired,
        }
    }

    async fn acquire_usual(&self) -> Result<CachedConnection, Error> {
        match &self.cache {
            Some(cache) => cache.acquire().await,
            None => self.pool.acquire().await.map(CachedConnection::uncached),
        }
    }

    /// Whether one of the usual connections is there for whoever takes it first.
    fn has_idle(&self) -> bool {
        match &self.cache {
            Some(cache) => cache.has_idle(),
            None => self.usual_pool().num_idle() > 0,
        }
    }

    /// Whether none of the usual connections is free, and no other one may be opened.
    fn is_exhausted(&self) -> bool {
        match &self.cache {
            Some(cache) => !cache.is_free(),
            None => self.pool.is_exhausted(),
        }
    }

    fn usual_pool(&self) -> &PgPool {
        self.pool.pool()
    }

    /// The most connections that there may be, without the spare one.
    pub(super) fn max_connections(&self) -> u32 {
        self.usual_pool().options().get_max_connections()
    }

    async fn try_once(&self, query: Query, deadline: Instant) -> Result<Vec<PgRow>, Failure> {
        let acquired = self.acquire_until(query.purpose, deadline).await;
        let acquired = acquired.map_err(|error| Failure { error, is_closed: false })?;
        let mut running = running_query::run(acquired, query);
        let max_connections = self.max_connections();
        if let Ok(answer) = timeout_at(deadline, running.as_mut()).await {
            if !answer.1.as_ref().is_err_and(is_lost) {
                self.reachability.answered();
            }
            return keep_or_close(answer, &self.read_only, max_connections);
        }
        let (read_only, grace) = (Arc::clone(&self.read_only), self.timeout);
        tokio::spawn(async move {
            if let Ok(answer) = timeout(grace, running).await {
                // Nobody waits for it any more. The connection is what counts.
                drop(keep_or_close(answer, &read_only, max_connections));
            }
        });
        Err(Failure { error: timed_out(), is_closed: false })
    }
}

/// Makes the connection of an answered query available again, unless it cannot be used any more.
fn keep_or_close(
    (acquired, answer): Answer,
    read_only: &ReadOnlyServer,
    max_connections: u32,
) -> Result<Vec<PgRow>, Failure> {
    let must_close = |error: &Error| {
        is_lost(error)
            || is_in_transaction(error)
            || (is_read_only(error) && read_only.should_reconnect(max_connections))
    };
    let is_closed = answer.as_ref().is_err_and(must_close);
    if !is_closed {
        acquired.put_back();
    }
    answer.map_err(|error| Failure { error, is_closed })
}
