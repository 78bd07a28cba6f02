//! A future that finishes in a spawned task if it is dropped halfway.
//!
//! A reservation whose answer is pending, a result that is being recorded, and a detached body must
//! not be lost because a client disconnected.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::{Instrument, Span};

use super::idempotency::Idempotency;
use super::limits::DetachedBody;
use super::task_engine::{task_engine, with_engine};

/// A future that runs where it is awaited. If it is dropped after its first poll, it finishes in a
/// spawned task.
///
/// If it panics, the panic reaches whoever awaits it, and nothing is left to finish. It does not
/// finish if the runtime shuts down.
pub(crate) struct FinishInBackground<T: Send + 'static> {
    /// `None` once it has finished, and while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Set once the future has been pending: before that, there is nothing to finish.
    runtime: Option<Handle>,
    /// The context of the task in which it started.
    context: Option<Box<TaskContext>>,
}

/// What a spawned task does not inherit.
struct TaskContext {
    engine: Option<Idempotency>,
    span: Span,
    /// The engine that counts the body once its caller is gone.
    counted_by: Option<Idempotency>,
}

impl<T: Send + 'static> FinishInBackground<T> {
    /// For the crate's own work, which needs neither the task's engine nor its span.
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), runtime: None, context: None }
    }

    /// For a user's code, which keeps the engine and the span of the current task. If it goes on without its
    /// caller, `counted_by` counts it.
    pub(crate) fn in_context(
        future: impl Future<Output = T> + Send + 'static,
        counted_by: Option<Idempotency>,
    ) -> Self {
        let context = TaskContext { engine: task_engine(), span: Span::current(), counted_by };
        let mut this = Self::new(future);
        this.context = Some(Box::new(context));
        this
    }
}

impl<T: Send + 'static> Future for FinishInBackground<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            self.future = Some(future);
            if self.runtime.is_none() {
                self.runtime = Handle::try_current().ok();
            }
        }
        polled
    }
}

impl<T: Send + 'static> Drop for FinishInBackground<T> {
    fn drop(&mut self) {
        let (Some(future), Some(runtime)) = (self.future.take(), &self.runtime) else { return };
        // The task drops the output: a reservation that the caller no longer awaits releases
        // itself.
        let rest = async move { drop(future.await) };
        let Some(context) = self.context.take() else { return drop(runtime.spawn(rest)) };
        let TaskContext { engine, span, counted_by } = *context;
        let detached = counted_by.as_ref().map(DetachedBody::new);
        let rest = async move {
            rest.await;
            drop(detached);
        };
        match engine {
            None => drop(runtime.spawn(rest.instrument(span))),
            Some(engine) => drop(runtime.spawn(with_engine(engine, rest).instrument(span))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    fn poll_once<T: Send>(future: &mut FinishInBackground<T>) -> Poll<T> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn what_is_left_of_a_dropped_one_runs() {
        let (go, gone) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let mut future = FinishInBackground::in_context(
            async {
                gone.await.unwrap();
                ended.send(()).unwrap();
            },
            None,
        );
        assert!(poll_once(&mut future).is_pending());
        drop(future);
        go.send(()).unwrap();
        end.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_was_never_polled_never_runs() {
        let (ended, end) = oneshot::channel();
        drop(FinishInBackground::new(async { ended.send(()) }));
        end.await.unwrap_err();
    }

    #[tokio::test]
    async fn nothing_is_left_of_one_that_panicked() {
        let mut future = FinishInBackground::new(async { panic!("as it is told to") });
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(&mut future)));
        assert!(polled.is_err());
        assert!(poll_once::<()>(&mut future).is_pending());
    }

    #[test]
    fn without_a_runtime_it_ends_where_it_is_dropped() {
        let (_go, gone) = oneshot::channel::<()>();
        let mut future = FinishInBackground::new(gone);
        assert!(poll_once(&mut future).is_pending());
        drop(future);
    }
}
