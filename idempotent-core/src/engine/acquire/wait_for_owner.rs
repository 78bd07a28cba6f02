//! How a duplicate waits: it listens until the owner's reservation may have ended, and tries again.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::acquired::Acquired;
use super::attempt::{Attempt, Busy, attempt_again};
use crate::engine::background::FinishInBackground;
use crate::engine::limits::WaiterSeat;
use crate::engine::settle::{HeldReservation, find_failed_run};
use crate::engine::telemetry::{CallSpan, Telemetry, Transition};
use crate::error::Error;
use crate::model::Token;
use crate::store::Wait;

/// The longest wait, because the clock cannot express every distant moment.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Waking up after less than this is early, whatever the store said about the lease.
const SHORTEST_LISTEN: Duration = Duration::from_millis(10);

/// Waits and tries again until the other call has completed, the key belongs to this caller, or its
/// time is up. If the other call ended without a known outcome, and this process knows that, the
/// waiter is told to retry: otherwise all waiters would run a failing body one after the other.
///
/// A waiter that gives up has changed nothing: between two attempts it only listens.
pub(super) async fn wait_for_owner(
    first: Busy,
    span: CallSpan,
    _seat: Option<WaiterSeat>,
) -> Result<Acquired<HeldReservation>, Error> {
    let wait = first.prepared.operation().wait.unwrap_or_default();
    let start = Instant::now();
    let deadline = start + wait.min(LONGEST_WAIT);
    let mut busy = first;
    let mut early = EarlyWakes::default();
    let mut attempts = 1;
    let acquired = loop {
        let wake = listen(&busy, deadline).await;
        early.slow_down(wake, busy.token, deadline).await;
        if let Some(failed) = find_failed_run(busy.token) {
            break Err(busy.prepared.owner_failed(failed.retry_after));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(busy.refusal());
        }
        attempts += 1;
        span.another_attempt(attempts);
        let again = attempt_again(busy.prepared, busy.renewal_task, deadline);
        match FinishInBackground::new(again).await {
            Ok(Attempt::Acquired(acquired)) => break Ok(acquired),
            Ok(Attempt::Busy(again)) => busy = *again,
            Err(error) => break Err(error),
        }
    };
    span.waited(start.elapsed());
    Telemetry::waited(start.elapsed());
    acquired
}

/// Why a waiter tries again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    /// The store says that the call may have ended.
    Early,
    /// The known lease may have lapsed, or the waiter's time is up.
    OnTime,
}

/// Returns when the running call may have ended. If the store fails, this pauses; the next attempt
/// reports the failure.
async fn listen(busy: &Busy, deadline: Instant) -> Wake {
    let start = Instant::now();
    let left = deadline.saturating_duration_since(start);
    let timeout = busy.remaining.map_or(left, |remaining| left.min(remaining));
    let request = Wait::new(&busy.prepared.id, busy.token, timeout);
    let engine = &busy.prepared.engine;
    let listened = timeout_at(deadline, engine.0.wait(&request)).await;
    if let Ok(Err(error)) = listened {
        tracing::debug!(
            record = %busy.prepared.id,
            error = &error as &dyn std::error::Error,
            transition = Transition::Wait.as_str(),
            "the store could not wait for the running call; trying again soon"
        );
        sleep(left.min(Duration::from_millis(100))).await;
    }
    if start.elapsed() < timeout.max(SHORTEST_LISTEN) { Wake::Early } else { Wake::OnTime }
}

/// Slows down a waiter that its store wakes too early, so that it does not spin.
#[derive(Default)]
struct EarlyWakes {
    token: Option<Token>,
    count: u32,
}

impl EarlyWakes {
    async fn slow_down(&mut self, wake: Wake, token: Token, deadline: Instant) {
        if self.token != Some(token) {
            *self = Self { token: Some(token), count: 0 };
        }
        if wake == Wake::OnTime {
            return;
        }
        self.count += 1;
        if self.count > 3 {
            let pause = Duration::from_millis(1 << self.count.min(7));
            sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }
}
