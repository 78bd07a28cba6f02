//! A future that goes on as a task when its caller drops it half way.
//!
//! A reservation whose answer is on its way, and a result that is being recorded, must not be left
//! in the air because a client hung up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs where it is awaited, and goes on as a task of its own if it is dropped after it began.
pub(crate) struct Elsewhere<T: Send + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Known once the future has been seen to wait: until then there is nothing to go on with.
    runtime: Option<Handle>,
}

impl<T: Send + 'static> Elsewhere<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), runtime: None }
    }
}

impl<T: Send + 'static> Future for Elsewhere<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let Some(future) = &mut this.future else {
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            this.future = None;
        } else if this.runtime.is_none() {
            this.runtime = Handle::try_current().ok();
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Elsewhere<T> {
    fn drop(&mut self) {
        if let (Some(future), Some(runtime)) = (self.future.take(), &self.runtime) {
            // What it gives is dropped there: a reservation that nobody awaits releases itself.
            runtime.spawn(async move { drop(future.await) });
        }
    }
}
