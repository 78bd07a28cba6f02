//! What a row says, and what it means: a record, the time until its lease ends, and the time until
//! it is gone.
//!
//! All times are differences that the server made by its own clock.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;

use super::Shared;
use super::error::{is_read_only, store_error, unexpected};
use super::link::{Question, Repeat};
use crate::record::{Guarantee, MalformedRecord, Outcome, Record, RecordId, Token};
use crate::store::{Entry, State, StoreError};

/// No lease, ttl or retention is longer, so that sums of them stay far from every limit.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Microseconds, the grain of the server's clock: rounded up, so that no lease ends before its owner
/// thinks, and at least one.
pub(super) fn micros(duration: Duration) -> i64 {
    let nanos = duration.min(LONGEST).as_nanos();
    i64::try_from(nanos.div_ceil(1000)).unwrap_or(i64::MAX).max(1)
}

/// How the column `guarantee` spells it.
pub(super) const fn guarantee_code(guarantee: Guarantee) -> i16 {
    match guarantee {
        Guarantee::AtLeastOnce => 0,
        Guarantee::AtMostOnce => 1,
        Guarantee::ExactlyOnce => 2,
    }
}

/// What stands under an id.
pub(super) async fn load(store: &Shared, id: &RecordId) -> Result<Option<Entry>, StoreError> {
    let question = || Question::new(&store.statements.load).bind(&id.hash()[..]);
    let rows = store.link.ask(question, Repeat::Yes).await?;
    rows.first().map_or(Ok(None), |row| Found::read(row)?.entry())
}

/// What stands under an id, whose end somebody waits for: whoever ends it notifies. Where nothing can
/// be written, the waiter has to look again by themselves.
pub(super) async fn mark(
    store: &Shared,
    id: &RecordId,
    token: Token,
) -> Result<Option<Entry>, StoreError> {
    let question =
        || Question::new(&store.statements.mark).bind(&id.hash()[..]).bind(&token.as_bytes()[..]);
    match store.link.ask_until(question, Repeat::Yes, store.link.deadline()).await {
        Ok(rows) => rows.first().map_or(Ok(None), |row| Found::read(row)?.entry()),
        Err(error) if is_read_only(&error) => load(store, id).await,
        Err(error) => Err(store_error(error)),
    }
}

/// A row, if it holds anything.
pub(super) struct Found {
    record: Vec<u8>,
    /// Microseconds until the lease ends; `None` once completed.
    lapse: Option<i64>,
    /// Microseconds until nothing is left to see.
    gone: i64,
}

impl Found {
    /// The row of a statement that looks.
    pub(super) fn read(row: &PgRow) -> Result<Self, StoreError> {
        Self::read_or_nothing(row)?.ok_or_else(|| store_error(unexpected("a record that is null")))
    }

    /// The row of a statement that answers nulls where it did what it was asked to.
    pub(super) fn read_or_nothing(row: &PgRow) -> Result<Option<Self>, StoreError> {
        let read =
            || Self::new(row.try_get("record")?, row.try_get("lapse")?, row.try_get("gone")?);
        read().map_err(store_error)
    }

    /// What three columns say, or nothing where there is no record.
    pub(super) fn new(
        record: Option<Vec<u8>>,
        lapse: Option<PgInterval>,
        gone: Option<PgInterval>,
    ) -> Result<Option<Self>, sqlx::Error> {
        let Some(record) = record else { return Ok(None) };
        let gone = gone.ok_or_else(|| unexpected("a record that is never gone"))?;
        Ok(Some(Self { record, lapse: lapse.map(between), gone: between(gone) }))
    }

    /// What this is at this moment; `None` if it is gone.
    pub(super) fn entry(self) -> Result<Option<Entry>, StoreError> {
        if self.gone <= 0 {
            return Ok(None);
        }
        let record = Record::from_bytes(&self.record)?;
        let until_gone = Some(duration(self.gone));
        let is_reserved = matches!(record.outcome(), Outcome::Reserved);
        let Some(lapse) = self.lapse else {
            if is_reserved {
                return Err(MalformedRecord.into());
            }
            return Ok(Some(Entry::new(record, State::Completed, until_gone)));
        };
        if !is_reserved {
            return Err(MalformedRecord.into());
        }
        Ok(Some(if lapse > 0 {
            Entry::new(record, State::Reserved, Some(duration(lapse)))
        } else if record.guarantee() == Guarantee::AtLeastOnce {
            Entry::new(record, State::Lapsed, Some(Duration::ZERO))
        } else {
            Entry::new(record, State::Indeterminate, until_gone)
        }))
    }
}

/// The microseconds between two moments. Their difference has no months.
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
    use crate::record::Envelope;

    fn state(
        guarantee: Guarantee,
        lapse: Option<i64>,
        gone: i64,
    ) -> Option<(State, Option<Duration>)> {
        let envelope = Envelope { guarantee, ..Envelope::new("shop::charge") };
        let record = Record::reserved(&envelope, Token::random());
        let record = if lapse.is_none() { record.completed(b"") } else { record };
        let found = Found { record: record.as_bytes().to_vec(), lapse, gone };
        found.entry().unwrap().map(|entry| (entry.state, entry.remaining))
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
    fn a_record_that_is_not_what_its_row_says_is_none() {
        let record = Record::reserved(&Envelope::new("shop::charge"), Token::random());
        let reserved = record.as_bytes().to_vec();
        let completed = record.completed(b"").as_bytes().to_vec();
        for (record, lapse) in [(reserved, None), (completed, Some(1)), (Vec::new(), None)] {
            assert!(Found { record, lapse, gone: 1 }.entry().is_err());
        }
    }

    #[test]
    fn times_are_rounded_up_and_bounded() {
        assert_eq!(micros(Duration::ZERO), 1);
        assert_eq!(micros(Duration::from_nanos(1001)), 2);
        assert_eq!(micros(Duration::from_secs(2)), 2_000_000);
        let exact_in_a_double = 1_i64 << 53;
        assert!(micros(Duration::MAX) < exact_in_a_double);
    }
}
