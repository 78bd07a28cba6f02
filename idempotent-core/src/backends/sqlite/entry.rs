//! What a row means: a record, and its times by the machine's clock.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::error::store_error;
use crate::backends::shared::durations::remaining_millis;
use crate::model::{Guarantee, MalformedRecord, Outcome, Record};
use crate::store::{Entry, State, StoreError};

/// What is recorded under an id.
#[derive(Debug)]
pub(super) enum Found {
    /// No row.
    Nothing,
    /// A record that has expired: the id is vacant.
    Expired(Record),
    /// A record. If it is [`State::Lapsed`], the id is vacant all the same.
    Entry(Entry),
}

impl Found {
    pub(super) fn entry(self) -> Option<Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Nothing | Self::Expired(_) => None,
        }
    }
}

/// The value of a guarantee in the column `guarantee`: 0 if a lapse makes the id vacant.
pub(super) fn guarantee_code(guarantee: Guarantee) -> i64 {
    i64::from(guarantee != Guarantee::AtLeastOnce)
}

/// The same for a reservation that may have a journal: 3 if another run resumes it, 4 if its steps in doubt have to be
/// settled first.
pub(super) fn lapse_code(record: &Record) -> i64 {
    match record.waits_for_steps() {
        true => 4,
        false if record.suspends() => 3,
        false => guarantee_code(record.guarantee()),
    }
}

/// Reads a row: its record, the milliseconds until its lease lapses, its retention in milliseconds, and the
/// milliseconds until it expires.
pub(super) fn read(row: &SqliteRow) -> Result<Found, StoreError> {
    let bytes: &[u8] = row.try_get(0).map_err(store_error)?;
    let record = Record::from_bytes(bytes)?;
    let lapses_in: Option<i64> = row.try_get(1).map_err(store_error)?;
    let retention: i64 = row.try_get(2).map_err(store_error)?;
    let expires_in: Option<i64> = row.try_get(3).map_err(store_error)?;
    found(record, lapses_in, retention, expires_in)
}

fn found(
    record: Record,
    lapses_in: Option<i64>,
    retention: i64,
    expires_in: Option<i64>,
) -> Result<Found, StoreError> {
    let is_reserved = record.outcome() == Outcome::Reserved;
    let (state, remaining) = match (lapses_in, expires_in) {
        (None, Some(expires_in)) if !is_reserved => {
            (State::Completed, remaining_millis(expires_in))
        }
        (Some(lapses_in), None) if is_reserved => match remaining_millis(lapses_in) {
            Some(remaining) => (State::Reserved, Some(remaining)),
            None if record.suspends() => {
                (State::Suspended, remaining_millis(lapses_in.saturating_add(retention)))
            }
            None if record.guarantee() == Guarantee::AtLeastOnce => {
                return Ok(Found::Entry(Entry::new(record, State::Lapsed, None)));
            }
            None => (State::Indeterminate, remaining_millis(lapses_in.saturating_add(retention))),
        },
        _ => return Err(MalformedRecord::Broken.into()),
    };
    Ok(match remaining {
        Some(remaining) => Found::Entry(Entry::new(record, state, Some(remaining))),
        None => Found::Expired(record),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Envelope, Token};

    fn reservation(guarantee: Guarantee) -> Record {
        let envelope = Envelope { guarantee, ..Envelope::new("shop::charge") };
        Record::reserved(&envelope, Token::random())
    }

    fn state(record: &Record, lapses_in: i64) -> Option<(State, Option<Duration>)> {
        let found = found(record.clone(), Some(lapses_in), 1000, None).unwrap();
        found.entry().map(|entry| (entry.state, entry.remaining))
    }

    #[test]
    fn a_reservation_lasts_through_the_millisecond_in_which_its_lease_ends() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let record = reservation(guarantee);
            assert_eq!(state(&record, 5), Some((State::Reserved, Some(Duration::from_millis(5)))));
            assert_eq!(state(&record, 0), Some((State::Reserved, Some(Duration::ZERO))));
        }
    }

    #[test]
    fn the_guarantee_says_what_a_lapse_means() {
        assert_eq!(state(&reservation(Guarantee::AtLeastOnce), -1), Some((State::Lapsed, None)));
        let record = reservation(Guarantee::AtMostOnce);
        let remaining = Some(Duration::from_millis(999));
        assert_eq!(state(&record, -1), Some((State::Indeterminate, remaining)));
        assert_eq!(state(&record, -1000), Some((State::Indeterminate, Some(Duration::ZERO))));
        assert_eq!(state(&record, -1001), None);
    }

    #[test]
    fn a_completed_record_expires_after_its_ttl() {
        let record = reservation(Guarantee::AtMostOnce).completed(b"result");
        let of = |expires_in| found(record.clone(), None, 1000, Some(expires_in)).unwrap().entry();
        assert_eq!(of(0).map(|entry| entry.state), Some(State::Completed));
        assert!(of(-1).is_none());
    }

    #[test]
    fn a_row_that_contradicts_its_record_is_malformed() {
        let reserved = reservation(Guarantee::AtLeastOnce);
        let completed = reserved.completed(b"result");
        assert!(found(reserved.clone(), None, 0, Some(5)).is_err());
        assert!(found(completed.clone(), Some(5), 0, None).is_err());
        assert!(found(completed.clone(), None, 0, None).is_err());
        assert!(found(completed, Some(5), 0, Some(5)).is_err());
    }
}
