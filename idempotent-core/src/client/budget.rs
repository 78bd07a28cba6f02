//! The attempts and the time that a request may use.

use std::time::{Duration, Instant};

use super::gave_up::GaveUpReason;
use super::idempotent_retry::IdempotentRetry;

/// The attempts and the time that are left for one request.
#[derive(Debug)]
pub(super) struct Budget {
    started: Instant,
    attempts: u32,
    max_attempts: u32,
    total_timeout: Duration,
}

impl Budget {
    pub(super) fn new(settings: &IdempotentRetry) -> Self {
        Self {
            started: settings.clock.now(),
            attempts: 0,
            max_attempts: settings.max_attempts,
            total_timeout: settings.total_timeout,
        }
    }

    /// Counts an attempt.
    pub(super) fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The number of attempts so far.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    pub(super) fn time_left(&self, now: Instant) -> Duration {
        self.total_timeout.saturating_sub(self.elapsed(now))
    }

    /// Why no further attempt is possible after this pause; `None` if one is.
    pub(super) fn exhausted_after(&self, pause: Duration, now: Instant) -> Option<GaveUpReason> {
        if self.attempts >= self.max_attempts {
            Some(GaveUpReason::Attempts)
        } else if pause >= self.time_left(now) {
            Some(GaveUpReason::Time)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(attempts: u32, total: u64) -> (Budget, Instant) {
        let total = Duration::from_secs(total);
        let budget =
            Budget::new(&IdempotentRetry::new().max_attempts(attempts).total_timeout(total));
        let started = budget.started;
        (budget, started)
    }

    #[test]
    fn it_ends_with_its_attempts() {
        let (mut budget, now) = budget(2, 60);
        budget.begin_attempt();
        assert_eq!(budget.exhausted_after(Duration::ZERO, now), None);
        budget.begin_attempt();
        assert_eq!(budget.exhausted_after(Duration::ZERO, now), Some(GaveUpReason::Attempts));
    }

    #[test]
    fn it_ends_with_a_pause_that_leaves_no_time() {
        let (mut budget, now) = budget(9, 60);
        budget.begin_attempt();
        let later = now + Duration::from_secs(50);
        assert_eq!(budget.exhausted_after(Duration::from_secs(9), later), None);
        assert_eq!(
            budget.exhausted_after(Duration::from_secs(10), later),
            Some(GaveUpReason::Time)
        );
        assert_eq!(budget.time_left(now + Duration::from_secs(70)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_runs_backwards_uses_no_time() {
        let (budget, now) = budget(9, 60);
        let earlier = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        assert_eq!(budget.elapsed(earlier), Duration::ZERO);
    }
}
