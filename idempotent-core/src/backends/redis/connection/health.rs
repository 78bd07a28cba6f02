//! Detects servers that have gone silent: nothing but timeouts, for longer than one command may take.
//!
//! A connection over which nothing arrives any more looks alive for a quarter of an hour, while the
//! other connections, or the other nodes of a cluster, go on answering. So timeouts are tracked for each
//! partition, and for all of them together, because few of them may be in use.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::partition::PARTITIONS;

/// The timeouts of each partition.
pub(super) struct Health {
    partitions: [TimeoutStreak; PARTITIONS],
    all: TimeoutStreak,
    created: Instant,
    tolerance: Duration,
}

/// When the current streak of timeouts began, in milliseconds since [`Health::created`]; 0 if there is
/// none.
struct TimeoutStreak(AtomicU64);

impl Health {
    /// A streak of timeouts that lasts for longer than `tolerance` is silence.
    pub(super) fn new(tolerance: Duration) -> Self {
        Self {
            partitions: [const { TimeoutStreak::new() }; PARTITIONS],
            all: TimeoutStreak::new(),
            created: Instant::now(),
            tolerance,
        }
    }

    /// An answer arrived.
    pub(super) fn answered(&self, partition: usize) {
        self.partitions[partition % PARTITIONS].end();
        self.all.end();
    }

    /// A command timed out. Returns whether the timeouts have lasted too long; if so, counting starts
    /// again.
    pub(super) fn is_silent(&self, partition: usize) -> bool {
        let now = millis(self.created.elapsed()).max(1);
        let one_silent = self.partitions[partition % PARTITIONS].exceeds(now, self.tolerance);
        let all_silent = self.all.exceeds(now, self.tolerance);
        one_silent || all_silent
    }
}

impl TimeoutStreak {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn end(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    fn exceeds(&self, now: u64, tolerance: Duration) -> bool {
        let Err(began) = self.0.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        else {
            return false;
        };
        let too_long = now.saturating_sub(began) >= millis(tolerance);
        if too_long {
            self.end();
        }
        too_long
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streak_of_timeouts_is_silence_once_it_lasts() {
        let health = Health::new(Duration::from_millis(20));
        assert!(!health.is_silent(3));
        assert!(!health.is_silent(3));
        std::thread::sleep(Duration::from_millis(25));
        assert!(health.is_silent(3));
        assert!(!health.is_silent(3), "counting starts again");
    }

    #[test]
    fn an_answer_ends_the_streak_of_its_partition_only() {
        let health = Health::new(Duration::ZERO);
        assert!(!health.is_silent(1));
        health.answered(3);
        assert!(!health.is_silent(2));
        health.answered(1);
        assert!(!health.is_silent(1));
        health.answered(3);
        assert!(health.is_silent(2));
    }

    #[test]
    fn timeouts_of_several_partitions_are_a_streak_unless_something_is_answered() {
        let health = Health::new(Duration::ZERO);
        assert!(!health.is_silent(1));
        assert!(health.is_silent(2));
        assert!(!health.is_silent(3));
        health.answered(4);
        assert!(!health.is_silent(5));
    }
}
