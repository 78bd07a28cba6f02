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

type Acquired = Result<PoolConnection<Postgres>, Error>;

/// Takes connections from one pool.
#[derive(Debug)]
pub(super) struct Acquisitions {
    /// One for each connection that may be on its way to a caller.
    permits: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

/// Those who wait for a permit.
#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    /// Connections whose takers gave up. There are some only while somebody waits.
    handed_over: Vec<PoolConnection<Postgres>>,
}

impl Acquisitions {
    pub(super) fn of(pool: &PgPool) -> Arc<Self> {
        let connections = pool.options().get_max_connections() as usize;
        Arc::new(Self { permits: Arc::new(Semaphore::new(connections)), queue: Mutex::default() })
    }

    /// A connection of the pool.
    pub(super) async fn acquire(self: &Arc<Self>, pool: &PgPool) -> Acquired {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let waiting = Waiting::new(self);
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                let permit = permit.map_err(|_| Error::PoolClosed)?;
                if let Some(connection) = waiting.take() {
                    return Ok(connection);
                }
                permit
            }
        };
        let running = Some(Box::pin(pool.acquire()) as Running);
        Acquiring { running, permit: Some(permit), acquisitions: Arc::clone(self) }.await
    }

    /// Whether somebody who wants a connection now has to wait until another caller has one.
    pub(super) fn is_exhausted(&self) -> bool {
        self.permits.available_permits() == 0
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, connection: PoolConnection<Postgres>) {
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
struct Waiting<'a>(&'a Acquisitions);

impl<'a> Waiting<'a> {
    fn new(acquisitions: &'a Acquisitions) -> Self {
        acquisitions.queue().waiting += 1;
        Self(acquisitions)
    }

    fn take(&self) -> Option<PoolConnection<Postgres>> {
        self.0.queue().handed_over.pop()
    }
}

impl Drop for Waiting<'_> {
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

type Running = Pin<Box<dyn Future<Output = Acquired> + Send>>;

/// An acquisition. If it is dropped meanwhile, a task goes on.
struct Acquiring {
    /// `None` once it has ended.
    running: Option<Running>,
    permit: Option<OwnedSemaphorePermit>,
    acquisitions: Arc<Acquisitions>,
}

impl Future for Acquiring {
    type Output = Acquired;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Acquired> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        let polled = running.as_mut().poll(cx);
        if polled.is_ready() {
            (self.running, self.permit) = (None, None);
        }
        polled
    }
}

impl Drop for Acquiring {
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
