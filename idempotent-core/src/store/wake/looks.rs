//! How often a waiter looks whether the call has ended, in case no message says so.

use std::time::Duration;

const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pauses between a waiter's looks.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Looks {
    pub(in crate::store) first: Duration,
    pub(in crate::store) longest: Duration,
}

impl Looks {
    /// Neither a busy loop nor a pause that has no end.
    pub(in crate::store) fn new(first: Duration, longest: Duration) -> Self {
        let first = first.clamp(Duration::from_millis(1), LONGEST_PAUSE);
        Self { first, longest: longest.clamp(first, LONGEST_PAUSE) }
    }
}

impl Default for Looks {
    /// A call may end between a waiter's first look and the moment that others have heard of the
    /// waiter, so the first pauses are short.
    fn default() -> Self {
        Self::new(Duration::from_millis(3), Duration::from_millis(500))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_neither_none_nor_endless() {
        let looks = Looks::new(Duration::ZERO, Duration::ZERO);
        assert_eq!(looks.first, Duration::from_millis(1));
        assert_eq!(looks.longest, Duration::from_millis(1));
        let looks = Looks::new(Duration::MAX, Duration::MAX);
        assert_eq!((looks.first, looks.longest), (LONGEST_PAUSE, LONGEST_PAUSE));
        let looks = Looks::new(Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(looks.longest, Duration::from_secs(2));
    }
}
