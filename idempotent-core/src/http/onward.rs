//! A handler that goes on to its end when whoever waits for it goes away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::{Instrument, Span};

use crate::engine::{Scope, scope};

/// A future that ends, whoever goes away: when it is dropped, what is left of it runs as a task of its
/// own. Until then it is a part of the task that polls it, which costs no other one.
///
/// It does not end if it panics, or if the runtime shuts down.
pub(super) struct Onward<T: Send + 'static> {
    /// `None` once it has ended.
    rest: Option<Rest<T>>,
    runtime: Option<Handle>,
    scope: Scope,
    span: Span,
}

type Rest<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T: Send + 'static> Onward<T> {
    pub(super) fn new(whole: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            rest: Some(Box::pin(whole)),
            runtime: Handle::try_current().ok(),
            scope: scope(),
            span: Span::current(),
        }
    }
}

impl<T: Send + 'static> Future for Onward<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // Not there while it is polled: if it panics nothing is left of it.
        let Some(mut rest) = self.rest.take() else { return Poll::Pending };
        let polled = rest.as_mut().poll(cx);
        if polled.is_pending() {
            self.rest = Some(rest);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Onward<T> {
    fn drop(&mut self) {
        if let (Some(rest), Some(runtime)) = (self.rest.take(), &self.runtime) {
            let rest = self.scope.clone().run(async { drop(rest.await) });
            runtime.spawn(rest.instrument(self.span.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    fn poll_once<T: Send>(onward: &mut Onward<T>) -> Poll<T> {
        Pin::new(onward).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn what_is_left_of_a_dropped_one_runs() {
        let (go, gone) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let mut onward = Onward::new(async {
            gone.await.unwrap();
            ended.send(()).unwrap();
        });
        assert!(poll_once(&mut onward).is_pending());
        drop(onward);
        go.send(()).unwrap();
        end.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_left_of_one_that_panicked() {
        let mut onward = Onward::new(async { panic!("as it is told to") });
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(&mut onward)));
        assert!(polled.is_err());
        assert!(poll_once::<()>(&mut onward).is_pending());
    }

    #[test]
    fn without_a_runtime_it_ends_where_it_is_dropped() {
        let (_go, gone) = oneshot::channel::<()>();
        let mut onward = Onward::new(gone);
        assert!(poll_once(&mut onward).is_pending());
        drop(onward);
    }
}
