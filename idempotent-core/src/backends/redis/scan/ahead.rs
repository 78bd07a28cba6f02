//! Requests that are sent before anybody waits for their answers.

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;

/// A request that is on its way.
pub(super) type Ahead<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends a request now, so that the server works on it while what came before is dealt with here.
pub(super) async fn begin<'a, T: Send + 'a>(
    request: impl Future<Output = T> + Send + 'a,
) -> Ahead<'a, T> {
    let mut request: Ahead<'a, T> = Box::pin(request);
    match poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx))).await {
        Poll::Ready(answer) => Box::pin(ready(answer)),
        Poll::Pending => request,
    }
}
