//! [`Attempt`]: an attempt to connect, whose tasks end with it if it fails.
//!
//! lapin 4.12 leaves two tasks behind for each connection that is refused or reset before it is open, for as long as the
//! process lives. While a broker is away, a source tries every five seconds.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_rs::traits::Executor;
use async_rs::util::{RuntimeParts, Task, TaskImpl};
use async_rs::{Runtime, Tokio};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::ending::Ending;

/// Ends the tasks of its connection when it is dropped, unless it has succeeded.
pub(crate) struct Attempt(Arc<Outcome>);

#[derive(Default)]
struct Outcome {
    has_succeeded: AtomicBool,
    failure: Ending,
}

/// Spawns the tasks of one connection.
#[derive(Clone)]
pub(crate) struct Spawner {
    runtime: Handle,
    outcome: Arc<Outcome>,
}

impl Attempt {
    /// An attempt, and the runtime of its connection. It must be made within a runtime of Tokio.
    pub(crate) fn new() -> (Self, Runtime<RuntimeParts<Spawner, Tokio>>) {
        let outcome = Arc::<Outcome>::default();
        let spawner = Spawner { runtime: Handle::current(), outcome: Arc::clone(&outcome) };
        (Self(outcome), Runtime::new(RuntimeParts::new(spawner, Tokio::current())))
    }

    /// The connection is open. What it leaves when it breaks later ends by itself.
    pub(crate) fn succeeded(self) {
        self.0.has_succeeded.store(true, Ordering::Relaxed);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.0.has_succeeded.load(Ordering::Relaxed) {
            self.0.failure.end();
        }
    }
}

impl Outcome {
    /// `None` if the attempt fails meanwhile.
    async fn unless_failed<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        if self.has_succeeded.load(Ordering::Relaxed) {
            return Some(task.await);
        }
        let (mut failed, mut task) = (pin!(self.failure.ended()), pin!(task));
        poll_fn(|cx| match failed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => task.as_mut().poll(cx).map(Some),
        })
        .await
    }
}

impl Executor for Spawner {
    type Task<T: Send + 'static> = Spawned<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        self.runtime.block_on(f)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        let outcome = Arc::clone(&self.outcome);
        Spawned(Some(self.runtime.spawn(async move { outcome.unless_failed(f).await }))).into()
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        Spawned(Some(self.runtime.spawn_blocking(|| Some(f())))).into()
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// A task of the client, which does not end for whoever waits for it if its attempt has failed.
pub(crate) struct Spawned<T>(Option<JoinHandle<Option<T>>>);

impl<T: Send + 'static> Future for Spawned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(task) = &mut self.0 else { return Poll::Pending };
        let Poll::Ready(ended) = Pin::new(task).poll(cx) else { return Poll::Pending };
        self.0 = None;
        match ended {
            Ok(Some(output)) => Poll::Ready(output),
            Ok(None) | Err(_) => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> TaskImpl for Spawned<T> {}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// Ends when the task does that is spawned.
    fn spawn_one(runtime: &Runtime<RuntimeParts<Spawner, Tokio>>) -> oneshot::Receiver<()> {
        let (held, ended) = oneshot::channel();
        drop(runtime.spawn(async move {
            let _held = held;
            pending::<()>().await;
        }));
        ended
    }

    #[tokio::test]
    async fn the_tasks_of_an_attempt_that_fails_end_and_so_do_those_that_it_starts_later() {
        let (attempt, runtime) = Attempt::new();
        let before = spawn_one(&runtime);
        tokio::task::yield_now().await;
        drop(attempt);
        let after = spawn_one(&runtime);
        assert!(before.await.is_err() && after.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_tasks_of_an_attempt_that_succeeds_go_on() {
        let (attempt, runtime) = Attempt::new();
        let before = spawn_one(&runtime);
        tokio::task::yield_now().await;
        attempt.succeeded();
        let after = spawn_one(&runtime);
        for ended in [before, after] {
            assert!(timeout(Duration::from_secs(1), ended).await.is_err(), "it has ended");
        }
        assert_eq!(runtime.spawn(async { 7 }).await, 7);
    }
}
