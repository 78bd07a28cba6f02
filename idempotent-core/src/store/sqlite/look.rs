//! What stands under an id, and what it means: a row, and what its times say by the machine's clock.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Shared;
use super::error::store_error;
use super::link::ask;
use super::millis::left;
use crate::record::{Guarantee, MalformedRecord, Outcome, Record, RecordId};
use crate::store::{Entry, State, StoreError};

/// What a look found.
#[derive(Debug)]
pub(super) enum Found {
    /// No row.
    Nothing,
    /// A record whose time is over: the id is vacant.
    Over(Record),
    /// A record. The id is vacant all the same if it is [`State::Lapsed`].
    Standing(Entry),
}

impl Found {
    pub(super) fn entry(self) -> Option<Entry> {
        match self {
            Self::Standing(entry) => Some(entry),
            Self::Nothing | Self::Over(_) => None,
        }
    }
}

impl Shared {
    /// What stands under an id.
    pub(super) async fn look(&self, id: &RecordId) -> Result<Found, StoreError> {
        let question = ask(&self.statements.look).bind(&id.hash()[..]);
        let rows = self.link.read(question).await?;
        rows.first().map_or(Ok(Found::Nothing), found)
    }
}

/// What a row says: its record, and the milliseconds until its lease lapses, of its retention, and
/// until it expires.
pub(super) fn found(row: &SqliteRow) -> Result<Found, StoreError> {
    let bytes: &[u8] = row.try_get(0).map_err(store_error)?;
    let record = Record::from_bytes(bytes)?;
    let lapses_in: Option<i64> = row.try_get(1).map_err(store_error)?;
    let retention: i64 = row.try_get(2).map_err(store_error)?;
    let expires_in: Option<i64> = row.try_get(3).map_err(store_error)?;
    judge(record, lapses_in, retention, expires_in)
}

fn judge(
    record: Record,
    lapses_in: Option<i64>,
    retention: i64,
    expires_in: Option<i64>,
) -> Result<Found, StoreError> {
    let is_reserved = record.outcome() == Outcome::Reserved;
    let (state, remaining) = match (lapses_in, expires_in) {
        (None, Some(expires_in)) if !is_reserved => (State::Completed, left(expires_in)),
        (Some(lapses_in), None) if is_reserved => match left(lapses_in) {
            Some(remaining) => (State::Reserved, Some(remaining)),
            None if record.guarantee() == Guarantee::AtLeastOnce => {
                return Ok(Found::Standing(Entry::new(record, State::Lapsed, None)));
            }
            None => (State::Indeterminate, left(lapses_in.saturating_add(retention))),
        },
        _ => return Err(MalformedRecord.into()),
    };
    Ok(match remaining {
        Some(remaining) => Found::Standing(Entry::new(record, state, Some(remaining))),
        None => Found::Over(record),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Envelope, Token};

    fn reservation(guarantee: Guarantee) -> Record {
        let envelope = Envelope { guarantee, ..Envelope::new("shop::charge") };
        Record::reserved(&envelope, Token::random())
    }

    fn state(record: &Record, lapses_in: i64) -> Option<(State, Option<Duration>)> {
        let found = judge(record.clone(), Some(lapses_in), 1000, None).unwrap();
        found.entry().map(|entry| (entry.state, entry.remaining))
    }

    #[test]
    fn a_reservation_stands_through_the_millisecond_in_which_its_lease_ends() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let record = reservation(guarantee);
            assert_eq!(state(&record, 5), Some((State::Reserved, Some(Duration::from_millis(5)))));
            assert_eq!(state(&record, 0), Some((State::Reserved, Some(Duration::ZERO))));
        }
    }

    #[test]
    fn what_a_lapse_means_the_guarantee_says() {
        assert_eq!(state(&reservation(Guarantee::AtLeastOnce), -1), Some((State::Lapsed, None)));
        let record = reservation(Guarantee::AtMostOnce);
        let remaining = Some(Duration::from_millis(999));
        assert_eq!(state(&record, -1), Some((State::Indeterminate, remaining)));
        assert_eq!(state(&record, -1000), Some((State::Indeterminate, Some(Duration::ZERO))));
        assert_eq!(state(&record, -1001), None);
    }

    #[test]
    fn a_completed_record_is_over_after_its_ttl() {
        let record = reservation(Guarantee::AtMostOnce).completed(b"result");
        let of = |expires_in| judge(record.clone(), None, 1000, Some(expires_in)).unwrap().entry();
        assert_eq!(of(0).map(|entry| entry.state), Some(State::Completed));
        assert!(of(-1).is_none());
    }

    #[test]
    fn a_row_that_contradicts_its_record_is_malformed() {
        let reserved = reservation(Guarantee::AtLeastOnce);
        let completed = reserved.completed(b"result");
        assert!(judge(reserved.clone(), None, 0, Some(5)).is_err());
        assert!(judge(completed.clone(), Some(5), 0, None).is_err());
        assert!(judge(completed.clone(), None, 0, None).is_err());
        assert!(judge(completed, Some(5), 0, Some(5)).is_err());
    }
}
