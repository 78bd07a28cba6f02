//! The tasks that a store has spawned. They end when the store is closed.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

/// A task on a runtime that nobody drives any more never ends.
const LONGEST_STOP: Duration = Duration::from_secs(30);

/// The background tasks of one store.
pub(super) struct BackgroundTasks {
    /// Whether they must end. Every task has a receiver, so the sender sees when all have ended.
    closed: watch::Sender<bool>,
}

/// Held by a task for as long as it runs, if it ends by other means than [`BackgroundTasks::spawn`].
pub(super) struct TaskToken {
    _closed: watch::Receiver<bool>,
}

impl BackgroundTasks {
    pub(super) fn new() -> Self {
        Self { closed: watch::Sender::new(false) }
    }

    /// Spawns a task. It is dropped when the store is closed; otherwise it ends by itself.
    pub(super) fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        let mut closed = self.closed.subscribe();
        runtime.spawn(async move {
            let mut task = pin!(task);
            let mut is_closed = pin!(async {
                // Fails if the store was dropped, and then the task decides when it ends.
                if closed.wait_for(|closed| *closed).await.is_err() {
                    pending::<()>().await;
                }
            });
            poll_fn(|cx| {
                let ended =
                    is_closed.as_mut().poll(cx).is_ready() || task.as_mut().poll(cx).is_ready();
                if ended { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
    }

    pub(super) fn token(&self) -> TaskToken {
        TaskToken { _closed: self.closed.subscribe() }
    }

    /// Ends every task, and waits until all have ended.
    pub(super) async fn close(&self) {
        self.closed.send_replace(true);
        let _ = timeout(LONGEST_STOP, self.closed.closed()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::runtime::Builder;

    use super::*;

    #[tokio::test]
    async fn closing_ends_every_task_and_waits_for_it() {
        let tasks = BackgroundTasks::new();
        let held = Arc::new(());
        let (endless, short) = (Arc::clone(&held), Arc::clone(&held));
        tasks.spawn(&Handle::current(), async move {
            pending::<()>().await;
            drop(endless);
        });
        tasks.spawn(&Handle::current(), async move { drop(short) });
        tasks.close().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn a_task_of_a_closed_store_ends_at_once() {
        let tasks = BackgroundTasks::new();
        tasks.close().await;
        tasks.spawn(&Handle::current(), pending());
        tasks.close().await;
    }

    #[test]
    fn closing_does_not_wait_for_ever_for_a_task_whose_runtime_nobody_drives() {
        let undriven = Builder::new_current_thread().build().unwrap();
        let tasks = BackgroundTasks::new();
        tasks.spawn(undriven.handle(), pending());
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            timeout(LONGEST_STOP * 2, tasks.close()).await.expect("it is closed");
        });
    }

    #[tokio::test]
    async fn a_task_outlives_a_store_that_was_dropped() {
        let tasks = BackgroundTasks::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        tasks.spawn(&Handle::current(), async move {
            tokio::task::yield_now().await;
            sender.send(()).expect("it is awaited");
        });
        drop(tasks);
        receiver.await.expect("the task goes on");
    }
}
