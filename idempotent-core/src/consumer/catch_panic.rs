//! A future whose panics are its result, so that a handler that panics takes nothing down with it, and the same for
//! functions.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// That the future has panicked. What it said is in the log of the panic hook, and may contain a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// The panics of a boxed future. It is dropped in its own panic handler, too.
pub(super) struct CatchPanic<F>(Option<Pin<Box<F>>>);

/// What a function of the user's returns; `None` if it panics.
pub(super) fn unless_panics<T>(function: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(function)).ok()
}

impl<F: Future> CatchPanic<F> {
    /// Makes the future, which may panic as well.
    pub(super) fn new(make: impl FnOnce() -> F) -> Self {
        Self(catch_unwind(AssertUnwindSafe(|| Box::pin(make()))).ok())
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Ready(Err(Panicked)) };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => {
                let future = self.0.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
                Poll::Ready(Err(Panicked))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_while_made_polled_or_dropped_is_a_result() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("as it is told to");
            }
        }
        let fine = CatchPanic::new(|| async { 7 });
        assert_eq!(fine.await, Ok(7));
        let polled: CatchPanic<_> = CatchPanic::new(|| async { panic!("as it is told to") });
        assert_eq!(polled.await.map(|(): ()| ()), Err(Panicked));
        let dropped = CatchPanic::new(|| async {
            let bomb = Some(Bomb);
            tokio::task::yield_now().await;
            std::mem::forget(bomb);
            panic!("as it is told to");
        });
        assert_eq!(dropped.await.map(|(): ()| ()), Err(Panicked));
        fn made() -> std::future::Ready<()> {
            panic!("as it is told to")
        }
        assert_eq!(CatchPanic::new(made).await, Err(Panicked));
    }
}
