//! The body of a call: a closure until it may run, then its future.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A call's body, whatever its type.
pub(super) trait Body<T, E> {
    /// Makes the body's future.
    fn make(&mut self);

    /// Polls it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, E>>;

    /// Drops the future, before the call's end is recorded.
    fn drop_future(&mut self);
}

/// A body whose future is made, and boxed, only when it may run: a replay pays nothing for it, and
/// nested calls do not multiply their size.
pub(super) enum LazyBody<F, Fut> {
    Closure(F),
    Future(Pin<Box<Fut>>),
    Done,
}

impl<F, Fut> LazyBody<F, Fut> {
    /// The body that was made, in a type that is `Send` even if its closure was not.
    pub(super) fn without_closure(self) -> LazyBody<fn() -> Fut, Fut> {
        match self {
            Self::Future(future) => LazyBody::Future(future),
            Self::Closure(_) | Self::Done => LazyBody::Done,
        }
    }
}

impl<T, E, F, Fut> Body<T, E> for LazyBody<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    fn make(&mut self) {
        if let Self::Closure(closure) = mem::replace(self, Self::Done) {
            *self = Self::Future(Box::pin(closure()));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        match self {
            Self::Future(future) => future.as_mut().poll(cx),
            Self::Closure(_) | Self::Done => Poll::Pending,
        }
    }

    fn drop_future(&mut self) {
        *self = Self::Done;
    }
}
