//! How often and how long one request is tried.

use std::time::{Duration, Instant};

use super::error::GaveUpReason;
use super::settings::IdempotentRetry;

/// What is left of one request's attempts and time.
#[derive(Debug)]
pub(super) struct Budget {
    started: Instant,
    attempts: u32,
    most_attempts: u32,
    total_time: Duration,
}

impl Budget {
    pub(super) fn new(settings: &IdempotentRetry) -> Self {
        Self {
            started: settings.timer.now(),
            attempts: 0,
            most_attempts: settings.attempts,
            total_time: settings.total_time,
        }
    }

    /// Counts one more attempt.
    pub(super) fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// How many attempts began.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    pub(super) fn time_left(&self, now: Instant) -> Duration {
        self.total_time.saturating_sub(self.elapsed(now))
    }

    /// Why there is no attempt after this pause, if there is none.
    pub(super) fn refuses(&self, pause: Duration, now: Instant) -> Option<GaveUpReason> {
        if self.attempts >= self.most_attempts {
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
        let budget = Budget::new(&IdempotentRetry::new().attempts(attempts).total_time(total));
        let started = budget.started;
        (budget, started)
    }

    #[test]
    fn it_ends_with_its_attempts() {
        let (mut budget, now) = budget(2, 60);
        budget.begin_attempt();
        assert_eq!(budget.refuses(Duration::ZERO, now), None);
        budget.begin_attempt();
        assert_eq!(budget.refuses(Duration::ZERO, now), Some(GaveUpReason::Attempts));
    }

    #[test]
    fn it_ends_with_a_pause_that_leaves_no_time() {
        let (mut budget, now) = budget(9, 60);
        budget.begin_attempt();
        let later = now + Duration::from_secs(50);
        assert_eq!(budget.refuses(Duration::from_secs(9), later), None);
        assert_eq!(budget.refuses(Duration::from_secs(10), later), Some(GaveUpReason::Time));
        assert_eq!(budget.time_left(now + Duration::from_secs(70)), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_stands_before_its_start_has_used_nothing() {
        let (budget, now) = budget(9, 60);
        let earlier = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        assert_eq!(budget.elapsed(earlier), Duration::ZERO);
    }
}
