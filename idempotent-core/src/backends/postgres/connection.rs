//! Running queries on the server: each takes a connection of the pool, has a deadline, and is tried again
//! if its connection was lost.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Encode, Error, PgConnection, PgPool, Postgres, SqlStr, Type};
use tokio::time::{Instant, sleep, timeout_at};

use super::connection_cache::{CachedConnection, ConnectionCache};
use super::error::{is_conflict, is_lost, store_error, timed_out};
use crate::store::StoreError;
use crate::store::poll::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Runs the queries of one store.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// For other parts of this crate, and for queries if there is no cache.
    pool: PgPool,
    /// Only on connections of the store's own.
    cache: Option<Arc<ConnectionCache>>,
    timeout: Duration,
}

/// Whether a query may be sent again if its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// The second answer means the same as the first.
    Yes,
    /// The second answer would be wrong.
    No,
}

/// A statement with its arguments.
pub(super) struct Query {
    statement: SqlStr,
    arguments: Result<PgArguments, String>,
}

impl Query {
    pub(super) fn new(statement: &SqlStr) -> Self {
        Self { statement: statement.clone(), arguments: Ok(PgArguments::default()) }
    }

    pub(super) fn bind<'t, T>(mut self, value: T) -> Self
    where
        T: Encode<'t, Postgres> + Type<Postgres> + 't,
    {
        if let Ok(arguments) = &mut self.arguments {
            if let Err(error) = arguments.add(value) {
                self.arguments = Err(error.to_string());
            }
        }
        self
    }

    async fn fetch_all(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, Error> {
        let arguments = self.arguments.map_err(|error| Error::Encode(error.into()))?;
        sqlx::query_with(self.statement, arguments).fetch_all(connection).await
    }
}

impl Connection {
    pub(super) const fn new(pool: PgPool, timeout: Duration) -> Self {
        Self { pool, cache: None, timeout }
    }

    /// Runs queries on connections of this pool, which nothing else may use.
    pub(super) fn with_cached(self, pool: PgPool) -> Self {
        Self { cache: Some(Arc::new(ConnectionCache::new(pool))), ..self }
    }

    pub(super) const fn pool(&self) -> &PgPool {
        &self.pool
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
        let mut at_once = self.pool.options().get_max_connections();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_once(query(), deadline).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            // The server refused it because of a conflict, so it did nothing.
            let again = is_conflict(&error) || (is_lost(&error) && retry == Retry::Yes);
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

    /// Closes the store's own connections, after the queries that run now. An application's pool stays
    /// open.
    pub(super) async fn close(&self) {
        if let Some(cache) = &self.cache {
            cache.close().await;
            self.pool.close().await;
        }
    }

    /// A connection for more than one query.
    pub(super) async fn acquire(&self) -> Result<CachedConnection<'_>, Error> {
        self.acquire_until(self.deadline()).await
    }

    async fn acquire_until(&self, deadline: Instant) -> Result<CachedConnection<'_>, Error> {
        let acquired = async {
            match &self.cache {
                Some(cache) => cache.acquire().await,
                None => self.pool.acquire().await.map(CachedConnection::uncached),
            }
        };
        timeout_at(deadline, acquired).await.unwrap_or(Err(Error::PoolTimedOut))
    }

    async fn try_once(&self, query: Query, deadline: Instant) -> Result<Vec<PgRow>, Error> {
        let mut acquired = self.acquire_until(deadline).await?;
        let answer = timeout_at(deadline, query.fetch_all(acquired.connection()?)).await;
        let answer = answer.unwrap_or_else(|_| Err(timed_out()));
        if !answer.as_ref().is_err_and(is_lost) {
            acquired.put_back();
        }
        answer
    }
}
