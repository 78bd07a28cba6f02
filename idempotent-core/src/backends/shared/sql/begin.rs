//! Beginning a transaction on an application's pool, for callers that may be dropped.
//!
//! sqlx 0.9 counts a transaction only once its `BEGIN` was answered. If the future is dropped before that,
//! nothing rolls back, and the connection goes back to its pool within a transaction that nobody knows of.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use sqlx::{Database, Error, Pool, SqlStr, Transaction};
use tokio::runtime::Handle;

type Begun<DB> = Result<Transaction<'static, DB>, Error>;

/// Begins a transaction. If this is dropped halfway, a task waits until it has begun, and rolls it back.
pub(in crate::backends) fn begin<DB: Database>(pool: &Pool<DB>, statement: SqlStr) -> Begin<DB> {
    let pool = pool.clone();
    let future = async move { pool.begin_with(statement).await };
    Begin { future: Some(Box::pin(future)), is_started: false }
}

/// From [`begin`].
pub(in crate::backends) struct Begin<DB: Database> {
    /// `None` once it has ended, and while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = Begun<DB>> + Send>>>,
    is_started: bool,
}

impl<DB: Database> Future for Begin<DB> {
    type Output = Begun<DB>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Begun<DB>> {
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            self.future = Some(future);
            self.is_started = true;
        }
        polled
    }
}

impl<DB: Database> Drop for Begin<DB> {
    fn drop(&mut self) {
        let Some(future) = self.future.take().filter(|_| self.is_started) else { return };
        // Without a runtime no connection goes back to its pool either.
        if let Ok(runtime) = Handle::try_current() {
            // A transaction that is dropped is rolled back before its connection is used again.
            runtime.spawn(async move { drop(future.await) });
        }
    }
}
