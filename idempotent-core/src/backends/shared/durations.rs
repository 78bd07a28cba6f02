//! Durations as the backends write and read them: whole milliseconds or microseconds.

use std::time::Duration;

/// The longest lease, ttl or retention: sums of a few of them stay far from every limit.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Whole microseconds, at least one. Rounded up, so that no lease ends before its owner expects it to.
#[cfg(feature = "postgres")]
pub(in crate::backends) fn ceil_micros(duration: Duration) -> i64 {
    ceil(duration, 1_000)
}

/// Whole milliseconds, at least one. Rounded up, so that no lease ends before its owner expects it to.
#[cfg(feature = "sqlite")]
pub(in crate::backends) fn ceil_millis(duration: Duration) -> i64 {
    ceil(duration, 1_000_000)
}

/// Whole milliseconds, rounded down.
#[cfg(feature = "sqlite")]
pub(in crate::backends) fn floor_millis(duration: Duration) -> i64 {
    i64::try_from(duration.min(LONGEST).as_millis()).unwrap_or(i64::MAX)
}

/// The time that is left until a deadline; `None` once it has passed.
#[cfg(feature = "sqlite")]
pub(in crate::backends) fn remaining_millis(millis: i64) -> Option<Duration> {
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn ceil(duration: Duration, nanos: u128) -> i64 {
    let units = duration.min(LONGEST).as_nanos().div_ceil(nanos);
    i64::try_from(units).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "postgres")]
    #[test]
    fn microseconds_are_rounded_up_and_bounded() {
        assert_eq!(ceil_micros(Duration::ZERO), 1);
        assert_eq!(ceil_micros(Duration::from_nanos(1001)), 2);
        assert_eq!(ceil_micros(Duration::from_secs(2)), 2_000_000);
        let exact_in_a_double = 1_i64 << 53;
        assert!(ceil_micros(Duration::MAX) < exact_in_a_double);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn milliseconds_are_rounded_up_and_never_zero() {
        assert_eq!(ceil_millis(Duration::ZERO), 1);
        assert_eq!(ceil_millis(Duration::from_nanos(1)), 1);
        assert_eq!(ceil_millis(Duration::from_micros(1500)), 2);
        assert_eq!(ceil_millis(Duration::from_secs(2)), 2000);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn the_longest_deadline_fits_into_a_column() {
        let now = 4_102_444_800_000_i64;
        assert!(now.checked_add(2 * ceil_millis(Duration::MAX)).is_some());
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_deadline_that_has_passed_leaves_no_time() {
        assert_eq!(remaining_millis(-1), None);
        assert_eq!(remaining_millis(0), Some(Duration::ZERO));
        assert_eq!(remaining_millis(1500), Some(Duration::from_millis(1500)));
    }
}
