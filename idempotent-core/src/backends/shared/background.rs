//! The background tasks of a store: each is started when it is first needed, started again if its
//! runtime is gone, and stopped when the store is closed or dropped.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

/// A task on a runtime that nobody drives any more never ends.
const LONGEST_STOP: Duration = Duration::from_secs(30);

/// Stops all background tasks of one store. Dropping it stops them, too.
#[derive(Debug, Default)]
pub(in crate::backends) struct BackgroundTasks {
    /// Every task holds a receiver until it ends.
    stop: watch::Sender<bool>,
}

/// Tells one background task when to stop.
pub(in crate::backends) struct StopSignal(watch::Receiver<bool>);

/// A task of which at most one instance runs at a time.
#[derive(Debug, Default)]
pub(in crate::backends) struct BackgroundTask {
    is_running: Arc<AtomicBool>,
}

/// Allows the next start. Dropped with the task, also when its runtime shuts down.
struct RunningGuard(Arc<AtomicBool>);

impl BackgroundTasks {
    /// Stops every task for good, and waits until all have ended.
    pub(in crate::backends) async fn stop(&self) {
        self.stop.send_replace(true);
        let _ = timeout(LONGEST_STOP, self.stop.closed()).await;
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

impl StopSignal {
    /// Returns once the store is closed or dropped.
    pub(in crate::backends) async fn received(&mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    /// Sleeps, and says whether the task should go on.
    pub(in crate::backends) async fn sleep(&mut self, pause: Duration) -> bool {
        timeout(pause, self.received()).await.is_err()
    }

    /// Whether the store has been closed.
    pub(in crate::backends) fn is_received(&self) -> bool {
        *self.0.borrow()
    }

    /// Runs a future until it ends or the store is closed or dropped.
    pub(in crate::backends) async fn cancels(mut self, task: impl Future<Output = ()>) {
        use std::future::poll_fn;
        use std::pin::pin;
        use std::task::Poll;

        let (mut stopped, mut task) = (pin!(self.received()), pin!(task));
        poll_fn(|cx| {
            let is_stopped = stopped.as_mut().poll(cx).is_ready();
            if is_stopped || task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

impl BackgroundTask {
    /// Spawns the task, unless it already runs, the store is closed, or there is no runtime.
    pub(in crate::backends) fn start<F>(
        &self,
        tasks: &BackgroundTasks,
        task: impl FnOnce(StopSignal) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.is_running.load(Ordering::Relaxed) || tasks.is_stopped() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let guard = RunningGuard(Arc::clone(&self.is_running));
        let task = task(StopSignal(tasks.stop.subscribe()));
        runtime.spawn(async move {
            let _guard = guard;
            task.await;
        });
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn sleep_until_stopped(mut stop: StopSignal) {
        while stop.sleep(HOUR).await {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_runs_once_at_a_time_until_it_is_stopped() {
        let (tasks, task) = (BackgroundTasks::default(), BackgroundTask::default());
        task.start(&tasks, sleep_until_stopped);
        task.start(&tasks, sleep_until_stopped);
        assert_eq!(tasks.stop.receiver_count(), 1);
        tasks.stop().await;
        assert_eq!(tasks.stop.receiver_count(), 0);
        task.start(&tasks, sleep_until_stopped);
        assert_eq!(tasks.stop.receiver_count(), 0, "a closed store starts nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_ends_with_its_store() {
        let (tasks, task) = (BackgroundTasks::default(), BackgroundTask::default());
        task.start(&tasks, sleep_until_stopped);
        drop(tasks);
        tokio::time::sleep(HOUR).await;
        assert!(!task.is_running.load(Ordering::Relaxed));
    }

    #[test]
    fn a_task_is_started_again_after_its_runtime_is_gone() {
        let (tasks, task) = (BackgroundTasks::default(), BackgroundTask::default());
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.unwrap();
            runtime.block_on(async { task.start(&tasks, sleep_until_stopped) });
            assert!(task.is_running.load(Ordering::Relaxed));
            drop(runtime);
            assert!(!task.is_running.load(Ordering::Relaxed));
        }
    }
}
