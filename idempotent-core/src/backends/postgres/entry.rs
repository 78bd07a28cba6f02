//! What a row means: a record, the time until its lease ends, and the time until it is gone.
//!
//! All times are differences that the server computed by its own clock.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;

use super::error::{store_error, unexpected};
use crate::model::{Guarantee, MalformedRecord, Outcome, Record};
use crate::store::{Entry, State, StoreError};

/// The value of a guarantee in the column `guarantee`.
pub(super) const fn guarantee_code(guarantee: Guarantee) -> i16 {
    match guarantee {
        Guarantee::AtLeastOnce => 0,
        Guarantee::AtMostOnce => 1,
        Guarantee::ExactlyOnce => 2,
    }
}

/// The code of what can be resumed without its caller once it has lapsed.
pub(super) const RESUMABLE: i16 = 3;

/// The same for a reservation that may have a journal: 3 if another run resumes it, 4 if its steps in doubt have to be
/// settled first.
pub(super) fn lapse_code(record: &Record) -> i16 {
    match record.waits_for_steps() {
        true => 4,
        false if record.suspends() => RESUMABLE,
        false => guarantee_code(record.guarantee()),
    }
}

/// A row of the table of records, as statements return it.
pub(super) struct EntryRow {
    record: Vec<u8>,
    /// Microseconds until the lease ends; `None` once completed.
    lapse: Option<i64>,
    /// Microseconds until the id is vacant and the record invisible.
    gone: i64,
}

impl EntryRow {
    /// Reads the row of a statement that always returns a record.
    pub(super) fn read(row: &PgRow) -> Result<Self, StoreError> {
        Self::read_optional(row)?.ok_or_else(|| store_error(unexpected("a row without a record")))
    }

    /// Reads the row of a statement that returns nulls where it found nothing in its way.
    pub(super) fn read_optional(row: &PgRow) -> Result<Option<Self>, StoreError> {
        let read =
            || Self::new(row.try_get("record")?, row.try_get("lapse")?, row.try_get("gone")?);
        read().map_err(store_error)
    }

    /// Reads three columns; `None` if there is no record.
    pub(super) fn new(
        record: Option<Vec<u8>>,
        lapse: Option<PgInterval>,
        gone: Option<PgInterval>,
    ) -> Result<Option<Self>, sqlx::Error> {
        let Some(record) = record else { return Ok(None) };
        let gone = gone.ok_or_else(|| unexpected("a record without an end"))?;
        Ok(Some(Self { record, lapse: lapse.map(between), gone: between(gone) }))
    }

    /// What the row means now; `None` if its record is gone.
    pub(super) fn entry(self) -> Result<Option<Entry>, StoreError> {
        if self.gone <= 0 {
            return Ok(None);
        }
        let record = Record::from_bytes(&self.record)?;
        let until_gone = Some(duration(self.gone));
        let is_reserved = matches!(record.outcome(), Outcome::Reserved);
        let Some(lapse) = self.lapse else {
            if is_reserved {
                return Err(MalformedRecord::Broken.into());
            }
            return Ok(Some(Entry::new(record, State::Completed, until_gone)));
        };
        if !is_reserved {
            return Err(MalformedRecord::Broken.into());
        }
        Ok(Some(if lapse > 0 {
            Entry::new(record, State::Reserved, Some(duration(lapse)))
        } else if record.suspends() {
            Entry::new(record, State::Suspended, until_gone)
        } else if record.guarantee() == Guarantee::AtLeastOnce {
            Entry::new(record, State::Lapsed, Some(Duration::ZERO))
        } else {
            Entry::new(record, State::Indeterminate, until_gone)
        }))
    }
}

/// The microseconds of a difference between two timestamps, which never has months.
fn between(difference: PgInterval) -> i64 {
    const DAY: i64 = 86_400_000_000;
    i64::from(difference.days).saturating_mul(DAY).saturating_add(difference.microseconds)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Envelope, Token};

    fn state(
        guarantee: Guarantee,
        lapse: Option<i64>,
        gone: i64,
    ) -> Option<(State, Option<Duration>)> {
        let envelope = Envelope { guarantee, ..Envelope::new("shop::charge") };
        let record = Record::reserved(&envelope, Token::random());
        let record = if lapse.is_none() { record.completed(b"") } else { record };
        let row = EntryRow { record: record.as_bytes().to_vec(), lapse, gone };
        row.entry().unwrap().map(|entry| (entry.state, entry.remaining))
    }

    #[test]
    fn a_reservation_is_what_its_guarantee_and_its_times_say() {
        use Guarantee::{AtLeastOnce, AtMostOnce, ExactlyOnce};
        let micros = |micros| Some(Duration::from_micros(micros));
        for guarantee in [AtLeastOnce, AtMostOnce, ExactlyOnce] {
            let reserved = Some((State::Reserved, micros(1)));
            assert_eq!(state(guarantee, Some(1), 11), reserved);
            assert_eq!(state(guarantee, Some(-10), 0), None);
            assert_eq!(state(guarantee, None, 7), Some((State::Completed, micros(7))));
            assert_eq!(state(guarantee, None, 0), None);
        }
        assert_eq!(state(AtLeastOnce, Some(0), 10), Some((State::Lapsed, micros(0))));
        for guarantee in [AtMostOnce, ExactlyOnce] {
            let doubt = Some((State::Indeterminate, micros(10)));
            assert_eq!(state(guarantee, Some(0), 10), doubt);
        }
    }

    #[test]
    fn a_row_that_contradicts_its_record_is_malformed() {
        let record = Record::reserved(&Envelope::new("shop::charge"), Token::random());
        let reserved = record.as_bytes().to_vec();
        let completed = record.completed(b"").as_bytes().to_vec();
        for (record, lapse) in [(reserved, None), (completed, Some(1)), (Vec::new(), None)] {
            assert!(EntryRow { record, lapse, gone: 1 }.entry().is_err());
        }
    }
}
