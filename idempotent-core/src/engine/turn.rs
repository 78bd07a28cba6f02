//! What a duplicate of a running call does: refused at once, or waiting for its turn.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::attempt::{Asking, Attempt, Busy, attempt};
use super::elsewhere::Elsewhere;
use super::telemetry::{CallSpan, Telemetry, Transition};
use crate::error::Error;
use crate::record::Token;
use crate::store::Wait;

/// A wait that the clock cannot express is as good as this one.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Looking again after less than this is early, whatever the store said about the lease.
const SHORTEST_LISTEN: Duration = Duration::from_millis(10);

/// Waits and tries again until the call is over, the key is this caller's, or its time is up.
///
/// A waiter that gives up has touched nothing: between two attempts it only listens.
pub(crate) async fn later_attempts(first: Busy, mut span: CallSpan) -> Result<Attempt, Error> {
    let wait = first.prepared.operation().wait.unwrap_or_default();
    let start = Instant::now();
    let deadline = start + wait.min(LONGEST_WAIT);
    let mut busy = first;
    let mut early = EarlyWakes::default();
    let ended = loop {
        let wake = listen(&busy, deadline).await;
        early.slow_down(wake, busy.token, deadline).await;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(busy.prepared.in_progress(busy.remaining));
        }
        span.another_attempt();
        match Elsewhere::new(attempt(busy.prepared, busy.pulse, Asking::Again(deadline))).await {
            Ok(Attempt::Busy(again)) => busy = *again,
            ended => break ended,
        }
    };
    span.waited(start.elapsed());
    Telemetry::waited(start.elapsed());
    ended
}

/// Why a waiter looks again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    /// The store says that the call may have ended.
    Early,
    /// The lease that was known may have lapsed, or the waiter's time is up.
    OnTime,
}

/// Returns when the running call may have ended. A store that cannot say so is asked again later:
/// the next attempt reports what is wrong with it.
async fn listen(busy: &Busy, deadline: Instant) -> Wake {
    let start = Instant::now();
    let left = deadline.saturating_duration_since(start);
    let timeout = busy.remaining.map_or(left, |remaining| left.min(remaining));
    let request = Wait::new(&busy.prepared.id, busy.token, timeout);
    let engine = &busy.prepared.engine;
    let listened = timeout_at(deadline, engine.0.listen(&request)).await;
    if let Ok(Err(error)) = listened {
        tracing::debug!(
            record = %busy.prepared.id,
            error = &error as &dyn std::error::Error,
            transition = Transition::Wait.as_str(),
            "the store cannot wake waiters; looking again soon"
        );
        sleep(left.min(Duration::from_millis(100))).await;
    }
    if start.elapsed() < timeout.max(SHORTEST_LISTEN) { Wake::Early } else { Wake::OnTime }
}

/// A store may wake a waiter too early, but not into a busy loop.
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
