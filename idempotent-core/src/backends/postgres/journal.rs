//! The journals of calls: rows of a table of their own, which go with their reservation.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::connection::Retry;
use super::entry::lapse_code;
use super::error::{store_error, unexpected};
use super::inner::Inner;
use super::load::load;
use super::query::{Purpose, Query};
use super::replaced::mode;
use crate::backends::shared::durations::ceil_micros;
use crate::model::{MalformedRecord, Record, StepEntry, StepId, Token};
use crate::store::{
    Resume, ResumeOutcome, State, StoreError, Suspend, WithoutJournal, WriteStep, WriteStepOutcome,
};

pub(super) async fn write_step(
    store: &Inner,
    request: &WriteStep<'_>,
    deadline: Instant,
) -> Result<WriteStepOutcome, StoreError> {
    let Some(journal) = request.record.journal() else {
        return Err(MalformedRecord::Broken.into());
    };
    let (record, token) = (request.record, request.record.token());
    let (mode, replaced) = mode(request.replaces);
    let query = || {
        let others: Vec<&[u8]> =
            request.also.iter().map(|(step, _)| &step.as_bytes()[..]).collect();
        let marks: Vec<&[u8]> = request.also.iter().map(|(_, entry)| entry.as_bytes()).collect();
        Query::new(&store.statements.write_step)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(record.as_bytes())
            .bind(lapse_code(record))
            .bind(ceil_micros(record.retention()))
            .bind(&journal.as_bytes()[..])
            .bind(&request.step.as_bytes()[..])
            .bind(request.entry.as_bytes())
            .bind(mode)
            .bind(replaced.map(StepEntry::as_bytes))
            .bind(request.begins)
            .bind(others)
            .bind(marks)
            .purpose(Purpose::Settle)
    };
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    let rows = rows.map_err(store_error)?;
    let row =
        rows.first().ok_or_else(|| store_error(unexpected("a written step without a row")))?;
    let is_written: bool = row.try_get("is_written").map_err(store_error)?;
    let is_own: bool = row.try_get("is_own").map_err(store_error)?;
    Ok(match (is_written, is_own) {
        (true, _) => WriteStepOutcome::Written,
        (false, true) => WriteStepOutcome::Conflict,
        (false, false) => WriteStepOutcome::Fenced,
    })
}

pub(super) async fn load_steps(
    store: &Inner,
    journal: Token,
) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
    let query = || Query::new(&store.statements.load_steps).bind(&journal.as_bytes()[..]);
    let deadline = store.connection.deadline();
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    rows.map_err(store_error)?.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<(StepId, StepEntry), StoreError> {
    let step: &[u8] = row.try_get("step").map_err(store_error)?;
    let step: [u8; 32] = step.try_into().map_err(|_| MalformedRecord::Broken)?;
    let entry: &[u8] = row.try_get("entry").map_err(store_error)?;
    Ok((StepId::from_bytes(step), StepEntry::from_bytes(entry)?))
}

pub(super) async fn resume(
    store: &Inner,
    request: &Resume<'_>,
) -> Result<ResumeOutcome, StoreError> {
    let (seen, record) = (request.seen.token(), request.record);
    let token = record.token();
    let query = || {
        Query::new(&store.statements.resume)
            .bind(&request.id.hash()[..])
            .bind(&seen.as_bytes()[..])
            .bind(&token.as_bytes()[..])
            .bind(record.as_bytes())
            .bind(lapse_code(record))
            .bind(ceil_micros(request.lease))
            .bind(ceil_micros(record.retention()))
            .bind(due(record, Some(request.due_in)))
            .bind(request.seen.as_bytes())
    };
    let deadline = store.connection.deadline();
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    if !rows.map_err(store_error)?.is_empty() {
        return Ok(ResumeOutcome::Won);
    }
    Ok(match load(store, request.id).await? {
        Some(entry) if entry.state == State::Reserved && entry.record.token() == token => {
            ResumeOutcome::Won
        }
        Some(entry) => ResumeOutcome::Taken(entry),
        None => ResumeOutcome::Gone,
    })
}

/// When a record is due, in microseconds from now, if it has an input.
fn due(record: &Record, due_in: Option<Duration>) -> Option<i64> {
    due_in.filter(|_| record.has_input()).map(ceil_micros)
}

pub(super) async fn suspend(store: &Inner, request: &Suspend<'_>) -> Result<(), StoreError> {
    let token = request.reservation.token();
    let plain = match request.otherwise {
        WithoutJournal::Release => None,
        WithoutJournal::Abandon(record) => Some(record),
    };
    let query = || {
        let settles = request.settles;
        let steps: Vec<&[u8]> = settles.iter().map(|(step, ..)| &step.as_bytes()[..]).collect();
        let seen: Vec<&[u8]> = settles.iter().map(|(_, seen, _)| seen.as_bytes()).collect();
        let entries: Vec<&[u8]> = settles.iter().map(|(.., entry)| entry.as_bytes()).collect();
        Query::new(&store.statements.suspend)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.suspended.has_journal().then(|| request.suspended.as_bytes()))
            .bind(lapse_code(request.suspended))
            .bind(request.ends_lease())
            .bind(plain.map(Record::as_bytes))
            .bind(plain.map(lapse_code))
            .bind(steps)
            .bind(seen)
            .bind(entries)
            .bind(due(request.suspended, request.due_in))
            .bind(store.channel())
            .purpose(Purpose::Settle)
    };
    let deadline = store.connection.deadline();
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    rows.map(drop).map_err(store_error)
}
