//! Waiting for a call that may end in either store.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::time::timeout;

use crate::store::{State, Store, StoreError, Wait};

/// Waits in both stores at once, for a result in either of them, or until both say that the call has ended. A store that does
/// not have the reservation says so at once. One that is away may wait for its server until the time is up, and keeps nobody
/// from a result that the other one has.
pub(super) async fn wait(
    first: &impl Store,
    second: &impl Store,
    request: &Wait<'_>,
) -> Result<(), StoreError> {
    let ended = race(has_result(first, request), has_result(second, request));
    timeout(request.timeout, ended).await.unwrap_or(Ok(()))
}

/// Waits in one store, and says whether the result is there.
async fn has_result(store: &impl Store, request: &Wait<'_>) -> Result<bool, StoreError> {
    store.wait(request).await?;
    let entry = store.load(request.id).await?;
    Ok(entry.is_some_and(|entry| entry.state == State::Completed))
}

/// Returns once either is true, and otherwise at the end of both, with the first one's error.
async fn race(
    first: impl Future<Output = Result<bool, StoreError>>,
    second: impl Future<Output = Result<bool, StoreError>>,
) -> Result<(), StoreError> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut other) = (None, None);
    poll_fn(move |cx| {
        if one.is_none() {
            if let Poll::Ready(answer) = first.as_mut().poll(cx) {
                one = Some(answer);
            }
        }
        if other.is_none() {
            if let Poll::Ready(answer) = second.as_mut().poll(cx) {
                other = Some(answer);
            }
        }
        match (&one, &other) {
            (Some(Ok(true)), _) | (_, Some(Ok(true))) => Poll::Ready(Ok(())),
            (Some(_), Some(_)) => Poll::Ready(one.take().unwrap_or(Ok(false)).map(drop)),
            _ => Poll::Pending,
        }
    })
    .await
}
