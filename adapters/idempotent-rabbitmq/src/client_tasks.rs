//! [`ClientTasks`]: the tasks that the client spawns for a connection.
//!
//! lapin 4.12 leaves two tasks behind for each connection that is refused or reset before it is open, for as long as the
//! process lives: while a broker is away, a source tries every five seconds. Of an open one it leaves those that wait for an
//! answer to what it has sent to close a channel.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use async_rs::traits::Executor;
use async_rs::util::{RuntimeParts, Task, TaskImpl};
use async_rs::{Runtime, Tokio};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::ending::Ending;

/// Ends the tasks of its connection when it is dropped.
pub(crate) struct ClientTasks(Arc<Ending>);

/// Spawns the tasks of one connection.
#[derive(Clone)]
pub(crate) struct Spawner {
    runtime: Handle,
    ending: Arc<Ending>,
}

impl ClientTasks {
    /// The tasks of a connection, and its runtime. They must be made within a runtime of Tokio.
    pub(crate) fn new() -> (Self, Runtime<RuntimeParts<Spawner, Tokio>>) {
        let ending = Arc::<Ending>::default();
        let spawner = Spawner { runtime: Handle::current(), ending: Arc::clone(&ending) };
        (Self(ending), Runtime::new(RuntimeParts::new(spawner, Tokio::current())))
    }
}

impl Drop for ClientTasks {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// `None` if it is ended before.
async fn unless_ended<T>(task: impl Future<Output = T>, ending: &Ending) -> Option<T> {
    let (mut ended, mut task) = (pin!(ending.ended()), pin!(task));
    poll_fn(|cx| match ended.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => task.as_mut().poll(cx).map(Some),
    })
    .await
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
        let ending = Arc::clone(&self.ending);
        Spawned(Some(self.runtime.spawn(async move { unless_ended(f, &ending).await }))).into()
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

/// A task of the client, which does not end for whoever waits for it if it is ended before.
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
    async fn tasks_end_with_their_connection_and_so_do_those_that_it_starts_later() {
        let (tasks, runtime) = ClientTasks::new();
        let before = spawn_one(&runtime);
        tokio::task::yield_now().await;
        drop(tasks);
        let after = spawn_one(&runtime);
        assert!(before.await.is_err() && after.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_of_a_connection_that_is_open_go_on() {
        let (_tasks, runtime) = ClientTasks::new();
        let ended = timeout(Duration::from_secs(1), spawn_one(&runtime)).await;
        assert!(ended.is_err(), "it has ended");
        assert_eq!(runtime.spawn(async { 7 }).await, 7);
    }
}
