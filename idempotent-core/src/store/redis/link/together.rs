//! Commands of several tasks, in one write.
//!
//! A command wakes the task that writes to its connection, and a runtime with several threads runs
//! the task that was woken last next, on the same thread: the command would leave alone, before the
//! other tasks that are ready have made theirs. A system call for each, here and in the server, is
//! what calls then cost most of all. So another task is woken after it, which does nothing: the
//! writing task goes to the end of the thread's queue, and finds what the others have added.
//!
//! This leans on how tokio schedules today, for speed alone.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};

/// The task that is woken for its effect on others. It ends when this is dropped.
pub(super) struct Together(Arc<Idler>);

#[derive(Default)]
struct Idler {
    waker: OnceLock<Waker>,
    over: AtomicBool,
}

impl Together {
    /// For connections whose tasks run on the runtime that this is called in.
    pub(super) fn new() -> Self {
        let idler = Arc::new(Idler::default());
        if let Ok(runtime) = Handle::try_current() {
            if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
                runtime.spawn(idle(Arc::clone(&idler)));
            }
        }
        Self(idler)
    }

    /// Sends what `ask` sends in its first poll together with what other tasks send now, if there
    /// are such.
    ///
    /// By reference: a future that is given away is moved, and has room for it twice.
    pub(super) fn send<F: Future>(
        &self,
        mut ask: Pin<&mut F>,
        alone: bool,
    ) -> impl Future<Output = F::Output> {
        let mut sent = alone;
        poll_fn(move |cx| {
            let answer = ask.as_mut().poll(cx);
            if answer.is_pending() && !mem::replace(&mut sent, true) {
                self.0.wake();
            }
            answer
        })
    }
}

impl Idler {
    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        self.0.wake();
    }
}

async fn idle(idler: Arc<Idler>) {
    poll_fn(|cx| {
        // A task's waker stays the same.
        idler.waker.get_or_init(|| cx.waker().clone());
        if idler.over.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
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
        let together = Arc::new(Together::new());
        // Both tasks wait for something before the others begin.
        yield_now().await;
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (together, commands) = (Arc::clone(&together), commands.clone());
            tasks.spawn(async move {
                let ask = async {
                    commands.send(()).await.expect("it is read");
                    yield_now().await;
                };
                together.send(pin!(ask), alone).await;
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
        let together = Together::new();
        yield_now().await;
        let before = Handle::current().metrics().num_alive_tasks();
        drop(together);
        while Handle::current().metrics().num_alive_tasks() >= before {
            yield_now().await;
        }
    }
}
