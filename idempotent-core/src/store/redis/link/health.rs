//! Whether servers have gone silent: nothing but timeouts, for longer than one question may take.
//!
//! A connection over which nothing comes any more looks alive for a quarter of an hour, while the other
//! connections, or the other nodes of a cluster, go on answering. So silence is counted for each part of
//! the questions, and for all of them, of which few may be asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// More parts than a server has connections, and than a cluster has primaries, as a rule, so that each
/// part goes one way.
pub(super) const PARTS: usize = 64;

pub(super) struct Health {
    parts: [Silence; PARTS],
    all: Silence,
    origin: Instant,
    patience: Duration,
}

/// When the present row of timeouts began, in milliseconds since the health's origin; 0 if there is none.
struct Silence(AtomicU64);

impl Health {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            parts: [const { Silence::new() }; PARTS],
            all: Silence::new(),
            origin: Instant::now(),
            patience,
        }
    }

    /// Something came back.
    pub(super) fn answered(&self, part: usize) {
        self.parts[part % PARTS].end();
        self.all.end();
    }

    /// A question timed out. Says whether the silence has lasted too long, and begins anew if so.
    pub(super) fn is_silent(&self, part: usize) -> bool {
        let now = millis(self.origin.elapsed()).max(1);
        let of_part = self.parts[part % PARTS].lasts(now, self.patience);
        let of_all = self.all.lasts(now, self.patience);
        of_part || of_all
    }
}

impl Silence {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn end(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    fn lasts(&self, now: u64, patience: Duration) -> bool {
        let Err(began) = self.0.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed)
        else {
            return false;
        };
        let too_long = now.saturating_sub(began) >= millis(patience);
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
    fn a_row_of_timeouts_is_silence_once_it_lasts() {
        let health = Health::new(Duration::from_millis(20));
        assert!(!health.is_silent(3));
        assert!(!health.is_silent(3));
        std::thread::sleep(Duration::from_millis(25));
        assert!(health.is_silent(3));
        assert!(!health.is_silent(3), "it begins anew");
    }

    #[test]
    fn an_answer_ends_the_row_of_its_part_only() {
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
    fn timeouts_of_several_parts_are_a_row_unless_something_is_answered() {
        let health = Health::new(Duration::ZERO);
        assert!(!health.is_silent(1));
        assert!(health.is_silent(2));
        assert!(!health.is_silent(3));
        health.answered(4);
        assert!(!health.is_silent(5));
    }
}
