//! The deadline of a store call: every call has one.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use super::idempotency::Engine;
use super::lease::RenewalTask;
use super::runtime::{NoRuntime, unbudgeted_sleep};
use super::telemetry::{Telemetry, Transition};
use crate::store::{Journal, StoreError, StoreErrorKind, Wait};

/// What ends a store call that takes too long.
enum Timer<'a> {
    /// A new timer, after a check that the runtime has timers.
    Needed,
    /// A new timer. The check is skipped on the runtime of this task.
    OnRuntimeOf(&'a RenewalTask),
    /// The store, which enforces a limit of its own.
    Unneeded,
}

impl Timer<'_> {
    /// Whether the runtime is known to have timers.
    fn is_there(&self) -> bool {
        matches!(self, Self::OnRuntimeOf(task) if task.is_on_current_runtime())
    }
}

impl Engine {
    /// Makes one store call, with a timeout of `limit` or the engine's own, whichever is shorter.
    ///
    /// The first poll comes before any timer is made: a store in memory answers at once, and then
    /// the deadline costs nothing.
    pub(in crate::engine) async fn call<T>(
        &self,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call_for(transition, limit.min(self.settings.store_timeout), call).await
    }

    /// Makes one store call that may take longer than the engine's own timeout, because it waits.
    pub(in crate::engine) async fn call_for<T>(
        &self,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.bounded(Timer::Needed, transition, limit, call).await
    }

    /// Makes one store call on behalf of a call that has a renewal task. If the store enforces a
    /// limit of its own that is short enough, no timer is made: each timer takes a lock twice that
    /// all threads share.
    pub(in crate::engine) async fn transition<T>(
        &self,
        task: &RenewalTask,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = limit.min(self.settings.store_timeout);
        let timer = if is_kept(self.store.response_timeout(), limit) {
            Timer::Unneeded
        } else {
            Timer::OnRuntimeOf(task)
        };
        self.bounded(timer, transition, limit, call).await
    }

    /// Writes a step, with a timeout as for [`call`](Self::call): the journal's own, if it enforces one that is short enough.
    pub(in crate::engine) async fn call_of_step<T>(
        &self,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = limit.min(self.settings.store_timeout);
        let promised = self.store.journal().and_then(Journal::response_timeout);
        let timer = if is_kept(promised, limit) { Timer::Unneeded } else { Timer::Needed };
        self.bounded(timer, transition, limit, call).await
    }

    async fn bounded<T>(
        &self,
        timer: Timer<'_>,
        transition: Transition,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let timer_metric = Telemetry::store_call(transition);
        let (mut call, mut deadline) = (pin!(call), pin!(None));
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if let Timer::Unneeded = timer {
                return Poll::Pending;
            }
            if deadline.is_none() {
                if !timer.is_there() {
                    self.renewals.current().map_err(no_runtime)?;
                }
                // The deadline works even if the store uses up the task's cooperative budget.
                deadline.set(Some(unbudgeted_sleep(limit)));
            }
            let over = deadline.as_mut().as_pin_mut().map_or(Poll::Pending, |it| it.poll(cx));
            over.map(|()| Err(StoreError::timed_out()))
        })
        .await;
        timer_metric.stop(answer.as_ref().err());
        answer.map_err(|error| self.named(error))
    }

    /// The error with the name of the store's server.
    fn named(&self, error: StoreError) -> StoreError {
        match self.store.server() {
            // Of a mismatch the caller's own connection is a part, which may be one to another server.
            Some(server) if error.kind() != StoreErrorKind::Mismatch => error.at(server),
            _ => error,
        }
    }

    /// Waits for the end of a reservation. The request has its own timeout, so this cuts off only a
    /// store that ignores it.
    pub(in crate::engine) async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.renewals.current().map_err(no_runtime)?;
        let longest = request.timeout.saturating_add(Duration::from_millis(100));
        match timeout(longest, self.store.wait(request)).await {
            Ok(answer) => answer,
            Err(_) => Ok(()),
        }
    }
}

/// Whether a store that promises this answers within that time.
fn is_kept(promised: Option<Duration>, limit: Duration) -> bool {
    promised.is_some_and(|longest| longest <= limit)
}

fn no_runtime(error: NoRuntime) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, error.to_string()).without_answer()
}
