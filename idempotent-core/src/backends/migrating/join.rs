//! [`join`]: a question to either store, at the same time; [`join_with_rest`]: one of them may be late; [`join_all`]: many
//! to one.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

/// Runs two futures side by side to the end of both.
pub(super) async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut other) = (None, None);
    poll_fn(move |cx| {
        if one.is_none() {
            one = ready(first.as_mut().poll(cx));
        }
        if other.is_none() {
            other = ready(second.as_mut().poll(cx));
        }
        match (one.take(), other.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            left => {
                (one, other) = left;
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs two futures side by side to the end of the first, and the second for no longer than `rest` after that.
pub(super) async fn join_with_rest<A: Future, B: Future>(
    first: A,
    second: B,
    rest: Duration,
) -> (A::Output, Option<B::Output>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut other = None;
    let one = poll_fn(|cx| {
        if other.is_none() {
            other = ready(second.as_mut().poll(cx));
        }
        first.as_mut().poll(cx)
    })
    .await;
    if other.is_none() {
        other = timeout(rest, second).await.ok();
    }
    (one, other)
}

/// Runs futures side by side to the end of all. Their values are in the same order.
pub(super) async fn join_all<F: Future + Unpin>(
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    let mut futures: Vec<F> = futures.into_iter().collect();
    let mut values: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        for (future, value) in futures.iter_mut().zip(&mut values) {
            if value.is_none() {
                *value = ready(Pin::new(future).poll(cx));
            }
        }
        if values.iter().all(Option::is_some) {
            return Poll::Ready(values.iter_mut().filter_map(Option::take).collect());
        }
        Poll::Pending
    })
    .await
}

fn ready<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
