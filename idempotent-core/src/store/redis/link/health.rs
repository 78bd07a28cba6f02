//! Whether servers have gone silent: nothing but timeouts, for longer than one question may take.
//!
//! A connection over which nothing comes any more looks alive for a quarter of an hour, and in a
//! cluster the other nodes go on answering. So silence is counted for each part of the slots.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// More parts than a cluster has primaries, as a rule, so that each part is one primary's.
pub(super) const PARTS: usize = 64;

pub(super) struct Health {
    /// When the present row of timeouts began, in milliseconds since `origin`; 0 if there is none.
    silent_since: [AtomicU64; PARTS],
    origin: Instant,
    patience: Duration,
}

impl Health {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            silent_since: [const { AtomicU64::new(0) }; PARTS],
            origin: Instant::now(),
            patience,
        }
    }

    /// Something came back.
    pub(super) fn answered(&self, part: usize) {
        let since = &self.silent_since[part % PARTS];
        if since.load(Ordering::Relaxed) != 0 {
            since.store(0, Ordering::Relaxed);
        }
    }

    /// A question timed out. Says whether the silence has lasted too long, and begins anew if so.
    pub(super) fn is_silent(&self, part: usize) -> bool {
        let since = &self.silent_since[part % PARTS];
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        match since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => false,
            Err(began) => {
                let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
                let too_long = now.saturating_sub(began) >= patience;
                if too_long {
                    since.store(0, Ordering::Relaxed);
                }
                too_long
            }
        }
    }
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
        assert!(!health.is_silent(1) && !health.is_silent(2));
        health.answered(1);
        assert!(!health.is_silent(1));
        assert!(health.is_silent(2));
    }
}
