//! What stands under a key, and what it means: a record and the time that its key has left.
//!
//! A reservation under *at most once* lives for its lease and its retention together: it has lapsed
//! when no more than the retention is left. Every other key lives as long as what it says.

use std::time::Duration;

use redis::{Pipeline, RedisError, Value};

use super::error::unexpected;
use crate::record::{Guarantee, Outcome, Record};
use crate::store::{Entry, State, StoreError};

/// No lease, ttl or retention is longer, so that sums of them stay far from every limit.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What a look found: a value, and its `PTTL`.
pub(super) type Found = Option<(Vec<u8>, i64)>;

/// Milliseconds, as servers count: rounded up, so that no lease ends before its owner thinks, and
/// at least one, since no key can live for none.
pub(super) fn millis(duration: Duration) -> i64 {
    let duration = duration.min(LONGEST);
    let millis = i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    millis.max(1)
}

/// How much of a key's life is left when its reservation lapses.
pub(super) fn grace(reservation: &Record) -> i64 {
    match reservation.guarantee() {
        Guarantee::AtLeastOnce => 0,
        Guarantee::AtMostOnce | Guarantee::ExactlyOnce => {
            let millis = reservation.retention().min(LONGEST).as_millis();
            i64::try_from(millis).unwrap_or(i64::MAX)
        }
    }
}

/// How long the key of a reservation lives, from now on.
pub(super) fn lifetime(reservation: &Record, lease: Duration) -> i64 {
    millis(lease).saturating_add(grace(reservation))
}

/// Reads a value and its time at one moment. Sent as plain commands, so that a cluster's redirect
/// of any of them is seen.
pub(super) fn question(key: &str) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(4);
    push_question(&mut pipeline, key.as_bytes());
    pipeline
}

pub(super) fn push_question(pipeline: &mut Pipeline, key: &[u8]) {
    pipeline.cmd("MULTI");
    pipeline.cmd("GET").arg(key);
    pipeline.cmd("PTTL").arg(key);
    pipeline.cmd("EXEC");
}

/// The number of answers to one question.
pub(super) const ANSWERS: usize = 4;

/// What the answers to a question say.
pub(super) fn found(answers: Vec<Value>) -> Result<Found, RedisError> {
    let mut last = Value::Nil;
    for answer in answers {
        last = answer.extract_error()?;
    }
    both(last)
}

/// What a value and its time say; nothing, where the script says so.
pub(super) fn both(answer: Value) -> Result<Found, RedisError> {
    let both = match answer {
        Value::Nil => return Ok(None),
        Value::Array(both) => both,
        other => return Err(unexpected(&other)),
    };
    let mut both = both.into_iter();
    match (both.next(), both.next()) {
        (Some(Value::Nil), Some(_)) => Ok(None),
        (Some(Value::BulkString(value)), Some(Value::Int(left))) => Ok(Some((value, left))),
        (Some(Value::ServerError(error)), _) => Err(error.into()),
        (other, _) => Err(unexpected(&other.unwrap_or_default())),
    }
}

/// What a value with so many milliseconds left is.
pub(super) fn entry(value: &[u8], left: i64) -> Result<Entry, StoreError> {
    let record = Record::from_bytes(value)?;
    let remaining = u64::try_from(left).ok().map(Duration::from_millis);
    if !matches!(record.outcome(), Outcome::Reserved) {
        return Ok(Entry::new(record, State::Completed, remaining));
    }
    let grace = grace(&record);
    // A key that somebody made persistent never lapses; the scripts agree.
    if grace > 0 && (0..=grace).contains(&left) {
        return Ok(Entry::new(record, State::Indeterminate, remaining));
    }
    let of_lease = u64::try_from(left.saturating_sub(grace)).ok().map(Duration::from_millis);
    Ok(Entry::new(record, State::Reserved, of_lease))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Envelope, Token};

    fn reservation(guarantee: Guarantee, retention: Duration) -> Record {
        let envelope = Envelope { guarantee, retention, ..Envelope::new("shop::charge") };
        Record::reserved(&envelope, Token::random())
    }

    fn state(record: &Record, left: i64) -> (State, Option<Duration>) {
        let entry = entry(record.as_bytes(), left).unwrap();
        (entry.state, entry.remaining)
    }

    #[test]
    fn a_reservation_under_at_most_once_lapses_when_its_retention_begins() {
        let record = reservation(Guarantee::AtMostOnce, Duration::from_secs(10));
        let millis = Duration::from_millis;
        assert_eq!(state(&record, 10_001), (State::Reserved, Some(millis(1))));
        assert_eq!(state(&record, 10_000), (State::Indeterminate, Some(millis(10_000))));
        assert_eq!(state(&record, 0), (State::Indeterminate, Some(millis(0))));
    }

    #[test]
    fn a_key_that_was_made_persistent_never_lapses() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let record = reservation(guarantee, Duration::from_secs(10));
            assert_eq!(state(&record, -1), (State::Reserved, None));
            assert_eq!(state(&record.completed(b""), -1), (State::Completed, None));
        }
    }

    #[test]
    fn the_longest_lifetime_is_one_that_servers_accept() {
        let record = reservation(Guarantee::AtMostOnce, Duration::MAX);
        let lifetime = lifetime(&record, Duration::MAX);
        assert!(lifetime < i64::MAX / 1_000_000, "{lifetime}");
        assert_eq!(state(&record, lifetime).0, State::Reserved);
    }

    #[test]
    fn milliseconds_are_rounded_up_and_never_none() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(1500)), 2);
        assert_eq!(millis(Duration::from_secs(2)), 2000);
    }
}
