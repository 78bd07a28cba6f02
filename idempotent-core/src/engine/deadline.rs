//! Every call of the store has a deadline.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};

use super::Engine;
use super::telemetry::{Telemetry, Transition};
use crate::store::{StoreError, StoreErrorKind, Wait};

impl Engine {
    /// One call of the store, given up after `limit` or the engine's own timeout.
    ///
    /// The first poll comes before any timer is made: a store in memory answers at once, and then
    /// the deadline costs nothing.
    pub(super) async fn call<T>(
        &self,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call_for(transition, limit.min(self.settings.store_timeout), call).await
    }

    /// One call of the store that may take longer than the engine's own timeout, since it waits.
    pub(super) async fn call_for<T>(
        &self,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let watch = Telemetry::store_call(transition);
        let (mut call, mut deadline) = (pin!(call), pin!(None));
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if deadline.is_none() {
                self.heartbeats.current().map_err(|error| {
                    StoreError::new(StoreErrorKind::Unavailable, error.to_string())
                })?;
                // A store that spends the task's budget has a deadline all the same.
                deadline.set(Some(unconstrained(sleep(limit))));
            }
            let over = deadline.as_mut().as_pin_mut().map_or(Poll::Pending, |it| it.poll(cx));
            over.map(|()| Err(no_answer()))
        })
        .await;
        watch.end(answer.as_ref().err());
        answer
    }

    /// Waits as the store can. The wait has its own timeout, so only a store that ignores it is cut
    /// off.
    pub(super) async fn listen(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        if let Err(error) = self.heartbeats.current() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, error.to_string()));
        }
        let longest = request.timeout.saturating_add(Duration::from_millis(100));
        match timeout(longest, self.store.wait(request)).await {
            Ok(answer) => answer,
            Err(_) => Ok(()),
        }
    }
}

pub(super) fn no_answer() -> StoreError {
    StoreError::new(StoreErrorKind::Timeout, "the store did not answer in time")
}
