//! [`Acquisitions`]: taking connections from a pool, which is never given up half way.
//!
//! A pool of sqlx closes a connection whose taker gives up while it is being opened, or while the server is
//! asked whether it still lives. At a server that is briefly too slow for its callers, all of them would give
//! up, and so be the reason that the next ones find no connection, for as long as calls keep coming. Here a task
//! goes on instead, and hands the connection to the next caller.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use sqlx::pool::PoolConnection;
use sqlx::{Error, PgPool, Postgres};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Acquired<C> = Result<C, Error>;

/// Takes connections from one pool.
#[derive(Debug)]
pub(super) struct Acquisitions<C = PoolConnection<Postgres>> {
    /// One for each connection that may be on its way to a caller.
    permits: Arc<Semaphore>,
    queue: Mutex<Queue<C>>,
}

/// Those who wait for a permit.
#[derive(Debug)]
struct Queue<C> {
    waiting: usize,
    /// Connections whose takers gave up. There are some only while somebody waits.
    handed_over: Vec<C>,
}

impl Acquisitions {
    pub(super) fn of(pool: &PgPool) -> Arc<Self> {
        Self::new(pool.options().get_max_connections() as usize)
    }

    /// A connection of the pool.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        pool: &PgPool,
    ) -> Acquired<PoolConnection<Postgres>> {
        self.acquire_with(|| Box::pin(pool.acquire())).await
    }
}

impl<C: Send + 'static> Acquisitions<C> {
    fn new(connections: usize) -> Arc<Self> {
        let queue = Mutex::new(Queue { waiting: 0, handed_over: Vec::new() });
        Arc::new(Self { permits: Arc::new(Semaphore::new(connections)), queue })
    }

    /// A connection that was handed over, or the one that `ask` asks the pool for.
    async fn acquire_with(self: &Arc<Self>, ask: impl FnOnce() -> Running<C>) -> Acquired<C> {
        let (permit, handed_over) = match Arc::clone(&self.permits).try_acquire_owned() {
            // Whoever waits may be counted and not in the semaphore's queue yet. Then the permit that came with the
            // connection woke nobody, and the pool may have no other connection.
            Ok(permit) => (permit, self.queue().handed_over.pop()),
            Err(_) => {
                let waiting = Waiting::new(self);
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                (permit.map_err(|_| Error::PoolClosed)?, waiting.take())
            }
        };
        if let Some(connection) = handed_over {
            return Ok(connection);
        }
        let running = Some(ask());
        Acquiring { running, permit: Some(permit), acquisitions: Arc::clone(self) }.await
    }

    /// Whether somebody who wants a connection now has to wait until another caller has one.
    pub(super) fn is_exhausted(&self) -> bool {
        self.permits.available_permits() == 0
    }

    fn queue(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, connection: C) {
        let mut queue = self.queue();
        if queue.waiting > 0 {
            queue.handed_over.push(connection);
        } else {
            drop(queue);
            drop(connection);
        }
    }
}

/// Somebody who waits for a permit.
struct Waiting<'a, C: Send + 'static>(&'a Acquisitions<C>);

impl<'a, C: Send + 'static> Waiting<'a, C> {
    fn new(acquisitions: &'a Acquisitions<C>) -> Self {
        acquisitions.queue().waiting += 1;
        Self(acquisitions)
    }

    fn take(&self) -> Option<C> {
        self.0.queue().handed_over.pop()
    }
}

impl<C: Send + 'static> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.waiting -= 1;
        if queue.waiting == 0 {
            let left = std::mem::take(&mut queue.handed_over);
            drop(queue);
            drop(left);
        }
    }
}

type Running<C> = Pin<Box<dyn Future<Output = Acquired<C>> + Send>>;

/// An acquisition. If it is dropped meanwhile, a task goes on.
struct Acquiring<C: Send + 'static> {
    /// `None` once it has ended.
    running: Option<Running<C>>,
    permit: Option<OwnedSemaphorePermit>,
    acquisitions: Arc<Acquisitions<C>>,
}

impl<C: Send + 'static> Future for Acquiring<C> {
    type Output = Acquired<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Acquired<C>> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        let polled = running.as_mut().poll(cx);
        if polled.is_ready() {
            (self.running, self.permit) = (None, None);
        }
        polled
    }
}

impl<C: Send + 'static> Drop for Acquiring<C> {
    fn drop(&mut self) {
        let (Some(running), permit) = (self.running.take(), self.permit.take()) else { return };
        let acquisitions = Arc::clone(&self.acquisitions);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Ok(connection) = running.await {
                    acquisitions.hand_over(connection);
                }
                drop(permit);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_was_handed_over_goes_to_whoever_gets_the_permit() {
        let acquisitions = Acquisitions::<&str>::new(1);
        // Somebody found no permit, and is not in the queue yet when one is given back.
        let waiting = Waiting::new(&acquisitions);
        acquisitions.hand_over("the only one");
        let mut acquired = pin!(acquisitions.acquire_with(|| Box::pin(pending())));
        let polled = acquired.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok("the only one"))));
        assert!(waiting.take().is_none());
    }
}
