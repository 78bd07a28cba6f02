//! Every call of the store has a deadline.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};

use super::Engine;
use super::heartbeat::Pulse;
use super::telemetry::{Telemetry, Transition};
use crate::store::{StoreError, StoreErrorKind, Wait};

/// What ends a call that takes too long.
enum Timer<'a> {
    /// One that has to be made, where the runtime has timers.
    Needed,
    /// The same; where this heartbeat runs, there are timers.
    Beside(&'a Pulse),
    /// The store itself.
    Superfluous,
}

impl Timer<'_> {
    /// Whether the runtime surely has timers.
    fn is_there(&self) -> bool {
        matches!(self, Self::Beside(pulse) if pulse.runs_here())
    }
}

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
        self.bounded(Timer::Needed, transition, limit, call).await
    }

    /// One transition of a call that has a heartbeat. Where the store keeps to a limit of its own that is
    /// no longer, there is no timer: each costs both ways of a lock that all threads share.
    pub(super) async fn transition<T>(
        &self,
        pulse: &Pulse,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = limit.min(self.settings.store_timeout);
        let keeps_to_it = self.store.answers_within().is_some_and(|longest| longest <= limit);
        let timer = if keeps_to_it { Timer::Superfluous } else { Timer::Beside(pulse) };
        self.bounded(timer, transition, limit, call).await
    }

    async fn bounded<T>(
        &self,
        timer: Timer<'_>,
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
            if let Timer::Superfluous = timer {
                return Poll::Pending;
            }
            if deadline.is_none() {
                if !timer.is_there() {
                    self.heartbeats.current().map_err(|error| {
                        StoreError::new(StoreErrorKind::Unavailable, error.to_string())
                    })?;
                }
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
