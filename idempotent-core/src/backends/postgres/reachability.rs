//! [`Reachability`]: why there is no connection. A pool of sqlx goes on trying to open one until its caller's time is
//! up, and then does not say what it met.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};
use tokio::time::timeout;

use super::connection_pool::ConnectionPool;

/// When the server answered last, and what somebody met who tried to reach it since.
#[derive(Debug)]
pub(super) struct Reachability {
    created: Instant,
    /// In milliseconds since `created`; 0 if it never did.
    answered: AtomicU64,
    is_trying: AtomicBool,
    met: Mutex<Option<(Instant, String)>>,
}

struct Trying<'a>(&'a AtomicBool);

impl Reachability {
    pub(super) fn new() -> Self {
        Self {
            created: Instant::now(),
            answered: AtomicU64::new(0),
            is_trying: AtomicBool::new(false),
            met: Mutex::new(None),
        }
    }

    /// The server answered, whatever it said.
    pub(super) fn answered(&self) {
        self.answered.store(self.millis().max(1), Ordering::Relaxed);
    }

    /// Why no connection was to be had: `PoolTimedOut` if the server is there, and those of the pool are in use.
    pub(super) async fn explain(
        &self,
        pool: &ConnectionPool,
        limit: Duration,
        fresh: Duration,
    ) -> Error {
        if self.has_answered_within(fresh) {
            return Error::PoolTimedOut;
        }
        self.try_to_connect(pool, limit).await;
        self.known(fresh)
    }

    /// The same, as far as it is known.
    pub(super) fn known(&self, fresh: Duration) -> Error {
        if self.has_answered_within(fresh) {
            return Error::PoolTimedOut;
        }
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        match &*met {
            Some((at, why)) if at.elapsed() < fresh.saturating_mul(2) => {
                Error::Io(io::Error::new(io::ErrorKind::NotConnected, why.clone()))
            }
            _ => Error::PoolTimedOut,
        }
    }

    /// One attempt beside the pool, by one caller at a time.
    async fn try_to_connect(&self, pool: &ConnectionPool, limit: Duration) {
        if self.is_trying.swap(true, Ordering::AcqRel) {
            return;
        }
        let _trying = Trying(&self.is_trying);
        let attempt = async {
            let options = pool.connect_options().await?;
            PgConnection::connect_with(&options).await?.close().await
        };
        let met = match timeout(limit, attempt).await {
            Ok(Ok(())) => return self.answered(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "nobody answered".to_owned(),
        };
        let mut last = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), met));
    }

    fn has_answered_within(&self, fresh: Duration) -> bool {
        let answered = self.answered.load(Ordering::Relaxed);
        let fresh = u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX);
        answered != 0 && self.millis().saturating_sub(answered) <= fresh
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Reachability {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
