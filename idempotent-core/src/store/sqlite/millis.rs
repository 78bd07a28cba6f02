//! Deadlines, as the table keeps them: whole milliseconds.

use std::time::Duration;

use crate::record::Record;

/// No lease, ttl or retention is longer, so that sums of them stay far from every limit.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Milliseconds, rounded up, so that no lease ends before its owner thinks, and at least one.
pub(super) fn millis(duration: Duration) -> i64 {
    let millis = duration.min(LONGEST).as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).unwrap_or(i64::MAX).max(1)
}

/// How long a reservation stays after its lease has lapsed.
pub(super) fn retention(reservation: &Record) -> i64 {
    let millis = reservation.retention().min(LONGEST).as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// What is left until a deadline, unless it has passed.
pub(super) fn left(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_rounded_up_and_never_none() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(1500)), 2);
        assert_eq!(millis(Duration::from_secs(2)), 2000);
    }

    #[test]
    fn the_longest_deadline_is_one_that_columns_hold() {
        let now = 4_102_444_800_000_i64;
        assert!(now.checked_add(2 * millis(Duration::MAX)).is_some());
    }

    #[test]
    fn what_has_passed_has_nothing_left() {
        assert_eq!(left(-1), None);
        assert_eq!(left(0), Some(Duration::ZERO));
        assert_eq!(left(1500), Some(Duration::from_millis(1500)));
    }
}
