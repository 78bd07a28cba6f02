//! How a message is read from its row.

use std::time::{Duration, SystemTime};

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Message;

/// A message that is pending or parked, with what only the outbox knows about it.
#[derive(Clone, Debug)]
pub(super) struct MessageRow {
    pub(super) number: i64,
    pub(super) refusals: u32,
    pub(super) message: Message,
}

impl MessageRow {
    /// Reads the first ten columns, which all statements have in common.
    pub(super) fn read(row: &PgRow) -> sqlx::Result<Self> {
        let id: String = row.try_get(1)?;
        let id = id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let (names, values): (Vec<String>, Vec<String>) = (row.try_get(5)?, row.try_get(6)?);
        let attempts: i32 = row.try_get(8)?;
        let refusals: i32 = row.try_get(9)?;
        let message = Message {
            id,
            topic: row.try_get(2)?,
            key: row.try_get(3)?,
            payload: row.try_get(4)?,
            headers: names.into_iter().zip(values).collect(),
            published_at: system_time(row.try_get(7)?),
            attempt: attempts.unsigned_abs().saturating_add(1),
        };
        Ok(Self { number: row.try_get(0)?, refusals: refusals.unsigned_abs(), message })
    }
}

/// The time that is this many microseconds after the epoch.
pub(super) fn system_time(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    let moment = if micros < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}
