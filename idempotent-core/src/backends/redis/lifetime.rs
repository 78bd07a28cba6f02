//! How long keys live, in milliseconds.
//!
//! A reservation that is kept once it has lapsed, because it is *at most once* or has a journal, lives for its lease and
//! its retention together: it has lapsed when no more than the retention is left, which is its *grace*. Every other
//! record lives exactly as long as its lease or its ttl, and a journal exactly as long as its record.

use std::time::Duration;

use crate::model::Record;

/// No lease, ttl or retention is longer, so that their sums stay far below every limit.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Milliseconds for the server. They are rounded up, so that no lease ends before its owner thinks, and
/// at least one, since a server accepts no shorter time.
pub(super) fn millis(duration: Duration) -> i64 {
    let duration = duration.min(LONGEST);
    let millis = i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    millis.max(1)
}

/// In how many milliseconds a call is due: at once, if that is no time.
pub(super) fn due_millis(due_in: Duration) -> u128 {
    due_in.min(LONGEST).as_millis()
}

/// How much of a key's life is left when its reservation lapses. The scripts reckon the same from a record's bytes.
pub(super) fn grace(reservation: &Record) -> i64 {
    if !reservation.keeps_lapsed() {
        return 0;
    }
    let millis = reservation.retention().min(LONGEST).as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// How long the key of a reservation lives from now on.
pub(super) fn lifetime(reservation: &Record, lease: Duration) -> i64 {
    millis(lease).saturating_add(grace(reservation))
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
}
