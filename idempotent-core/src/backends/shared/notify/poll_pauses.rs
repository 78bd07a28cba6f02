//! How long to pause between two looks at a call that somebody waits for.

use std::time::Duration;

const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pauses between two looks: they begin with `first` and double up to `longest`.
#[derive(Clone, Copy, Debug)]
pub(in crate::backends) struct PollPauses {
    pub(in crate::backends) first: Duration,
    pub(in crate::backends) longest: Duration,
}

impl PollPauses {
    /// Clamps both, so that a waiter neither spins nor sleeps for ever.
    pub(in crate::backends) fn new(first: Duration, longest: Duration) -> Self {
        let first = first.clamp(Duration::from_millis(1), LONGEST_PAUSE);
        Self { first, longest: longest.clamp(first, LONGEST_PAUSE) }
    }
}

impl Default for PollPauses {
    /// The first pauses are short, because a call may end after a waiter's first look and before others
    /// know of the waiter.
    fn default() -> Self {
        Self::new(Duration::from_millis(3), Duration::from_millis(500))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_neither_zero_nor_endless() {
        let pauses = PollPauses::new(Duration::ZERO, Duration::ZERO);
        assert_eq!(pauses.first, Duration::from_millis(1));
        assert_eq!(pauses.longest, Duration::from_millis(1));
        let pauses = PollPauses::new(Duration::MAX, Duration::MAX);
        assert_eq!((pauses.first, pauses.longest), (LONGEST_PAUSE, LONGEST_PAUSE));
        let pauses = PollPauses::new(Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(pauses.longest, Duration::from_secs(2));
    }
}
