//! Lets commands of several tasks leave in one write.
//!
//! A command wakes the task that writes to its connection. A multi-threaded runtime runs the task that
//! was woken last next, on the same thread, so the command would leave alone, before other tasks that
//! are ready have added theirs. Then a system call for each command, here and in the server, is most of
//! what a call costs. So after each command another task is woken, which does nothing: the writing task
//! moves to the end of the thread's queue, and finds what the others have added.
//!
//! This relies on how tokio schedules tasks today, for speed alone.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::backends::redis::background_tasks::{BackgroundTasks, TaskToken};

/// A task that does nothing, woken to delay the writing task. It ends when this is dropped.
pub(super) struct WriteCoalescer(Arc<NoopTask>);

#[derive(Default)]
struct NoopTask {
    waker: OnceLock<Waker>,
    is_stopped: AtomicBool,
}

impl WriteCoalescer {
    /// For connections whose tasks run on the current runtime.
    pub(super) fn new(tasks: &BackgroundTasks) -> Self {
        let task = Arc::new(NoopTask::default());
        if let Ok(runtime) = Handle::try_current() {
            if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
                runtime.spawn(run_noop(Arc::clone(&task), tasks.token()));
            }
        }
        Self(task)
    }

    /// Ends the task. From then on every command leaves alone.
    pub(super) fn close(&self) {
        self.0.stop();
    }

    /// Polls `send`, whose first poll queues a command, and lets that command leave together with those
    /// of other tasks, unless it `is_alone`.
    ///
    /// It takes the future by reference, because an async block would store a moved future twice.
    pub(super) fn send<F: Future>(
        &self,
        mut send: Pin<&mut F>,
        is_alone: bool,
    ) -> impl Future<Output = F::Output> {
        let mut is_delayed = is_alone;
        poll_fn(move |cx| {
            let answer = send.as_mut().poll(cx);
            if answer.is_pending() && !mem::replace(&mut is_delayed, true) {
                self.0.wake();
            }
            answer
        })
    }
}

impl NoopTask {
    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        // With the one in `run_noop`: either this finds the waker, or the task finds that it is stopped.
        fence(Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

impl Drop for WriteCoalescer {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn run_noop(task: Arc<NoopTask>, _token: TaskToken) {
    poll_fn(|cx| {
        // A task's waker stays the same.
        if task.waker.get().is_none() {
            task.waker.get_or_init(|| cx.waker().clone());
            fence(Ordering::SeqCst);
        }
        if task.is_stopped.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::sync::mpsc;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const TASKS: usize = 8;

    /// How many commands were there whenever the writing task ran.
    async fn written(alone: bool) -> Vec<usize> {
        let (commands, mut queue) = mpsc::channel::<()>(TASKS);
        let writer = tokio::spawn(async move {
            let (mut written, mut batch) = (Vec::new(), Vec::new());
            while queue.recv_many(&mut batch, TASKS).await > 0 {
                written.push(batch.len());
                batch.clear();
            }
            written
        });
        let coalescer = Arc::new(WriteCoalescer::new(&BackgroundTasks::new()));
        // Both tasks wait for something before the others begin.
        yield_now().await;
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (coalescer, commands) = (Arc::clone(&coalescer), commands.clone());
            tasks.spawn(async move {
                let send = async {
                    commands.send(()).await.expect("it is read");
                    yield_now().await;
                };
                coalescer.send(pin!(send), alone).await;
            });
        }
        drop(commands);
        tasks.join_all().await;
        writer.await.expect("it ends")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn commands_of_tasks_that_are_ready_leave_in_one_write() {
        let written = tokio::spawn(written(false)).await.expect("it ends");
        assert_eq!(written, [TASKS]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_command_that_is_alone_waits_for_nobody() {
        let written = tokio::spawn(written(true)).await.expect("it ends");
        assert!(written.len() > 1, "{written:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn its_task_ends_with_it() {
        let coalescer = WriteCoalescer::new(&BackgroundTasks::new());
        yield_now().await;
        let before = Handle::current().metrics().num_alive_tasks();
        drop(coalescer);
        while Handle::current().metrics().num_alive_tasks() >= before {
            yield_now().await;
        }
    }
}
