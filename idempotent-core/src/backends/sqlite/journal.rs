//! The journals of calls: rows of a table of their own, which go with their reservation.

use std::time::Duration;

use sqlx::Row as _;

use super::entry::lapse_code;
use super::error::store_error;
use super::inner::Inner;
use super::load::load;
use super::query::{Query, query};
use super::write_queue::Write;
use crate::backends::shared::durations::{ceil_millis, floor_millis};
use crate::model::{MalformedRecord, Record, RecordId, StepEntry, StepId, Token};
use crate::store::{
    Replaces, Resume, ResumeOutcome, State, StoreError, Suspend, WithoutJournal, WriteStep,
    WriteStepOutcome,
};

pub(super) async fn write_step(
    store: &Inner,
    request: &WriteStep<'_>,
) -> Result<WriteStepOutcome, StoreError> {
    let Some(journal) = request.record.journal() else {
        return Err(MalformedRecord::Broken.into());
    };
    let statements = &store.statements;
    let (id, token) = (request.id.hash(), request.record.token());
    let mark = query(&statements.mark_journal)
        .bind(&id[..])
        .bind(&token.as_bytes()[..])
        .bind(request.record.as_bytes())
        .bind(lapse_code(request.record))
        .bind(floor_millis(request.record.retention()))
        .bind(&journal.as_bytes()[..])
        .bind(request.begins);
    let of_step = |statement, step: &StepId, entry: &StepEntry| {
        query(statement)
            .bind(&id[..])
            .bind(&token.as_bytes()[..])
            .bind(&journal.as_bytes()[..])
            .bind(&step.as_bytes()[..])
            .bind(entry.as_bytes())
            .bind(request.begins)
    };
    let mut write = match request.replaces {
        // What it is to replace stands in no new journal.
        Replaces::Entry(_) => Ok(Write::new()),
        Replaces::Nothing | Replaces::Anything => Write::new().and(mark),
    };
    for (step, entry) in request.also {
        write = write.and_then(|write| write.and(of_step(&statements.name_step, step, entry)));
    }
    let put = replacing(of_step(&statements.write_step, request.step, request.entry), request);
    let look = of_step(&statements.written_step, request.step, request.entry);
    let write = write.and_then(|write| write.and(put));
    let settles = matches!(request.replaces, Replaces::Entry(_)) && !request.begins;
    let write = match settles {
        true => write.and_then(|write| write.and(end_wait(store, request.id, request.record))),
        false => write,
    };
    let write = write.and_then(|write| write.and_fetch(look));
    let written = store.connection.write(write).await?;
    let Some(row) = written.rows.first() else { return Ok(WriteStepOutcome::Fenced) };
    let is_written: bool = row.try_get(0).map_err(store_error)?;
    let is_own: bool = row.try_get(1).map_err(store_error)?;
    Ok(match (is_written, is_own) {
        (true, _) => WriteStepOutcome::Written,
        (false, true) => WriteStepOutcome::Conflict,
        (false, false) => WriteStepOutcome::Fenced,
    })
}

fn replacing(query: Query, request: &WriteStep<'_>) -> Query {
    match request.replaces {
        Replaces::Nothing => query.bind(0_i64).bind(None::<&[u8]>),
        Replaces::Anything => query.bind(1_i64).bind(None::<&[u8]>),
        Replaces::Entry(seen) => query.bind(2_i64).bind(seen.as_bytes()),
    }
}

pub(super) async fn load_steps(
    store: &Inner,
    journal: Token,
) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
    let query = query(&store.statements.load_steps).bind(&journal.as_bytes()[..]);
    let rows = store.connection.read(query).await?;
    let read = |row: &sqlx::sqlite::SqliteRow| {
        let step: &[u8] = row.try_get(0).map_err(store_error)?;
        let step: [u8; 32] = step.try_into().map_err(|_| MalformedRecord::Broken)?;
        let entry: &[u8] = row.try_get(1).map_err(store_error)?;
        Ok((StepId::from_bytes(step), StepEntry::from_bytes(entry)?))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn resume(
    store: &Inner,
    request: &Resume<'_>,
) -> Result<ResumeOutcome, StoreError> {
    let query = query(&store.statements.resume)
        .bind(&request.id.hash()[..])
        .bind(&request.seen.token().as_bytes()[..])
        .bind(&request.record.token().as_bytes()[..])
        .bind(request.record.as_bytes())
        .bind(lapse_code(request.record))
        .bind(ceil_millis(request.lease))
        .bind(floor_millis(request.record.retention()))
        .bind(due(request.record, Some(request.due_in)))
        .bind(request.seen.as_bytes());
    if store.connection.change(query).await? > 0 {
        return Ok(ResumeOutcome::Won);
    }
    Ok(match load(store, request.id).await?.entry() {
        Some(entry)
            if entry.state == State::Reserved && entry.record.token() == request.record.token() =>
        {
            ResumeOutcome::Won
        }
        Some(entry) => ResumeOutcome::Taken(entry),
        None => ResumeOutcome::Gone,
    })
}

pub(super) async fn suspend(store: &Inner, request: &Suspend<'_>) -> Result<(), StoreError> {
    let statements = &store.statements;
    let (id, token) = (request.id, request.reservation.token());
    let of_record = |statement| owned(statement, id, token);
    let mut write = Ok(Write::new());
    for (step, seen, entry) in request.settles {
        let settle = of_record(&statements.settle_step)
            .bind(&step.as_bytes()[..])
            .bind(seen.as_bytes())
            .bind(entry.as_bytes());
        write = write.and_then(|write| write.and(settle));
    }
    let suspend = of_record(&statements.suspend)
        .bind(request.suspended.as_bytes())
        .bind(lapse_code(request.suspended))
        .bind(request.ends_lease())
        .bind(due(request.suspended, request.due_in));
    let others = match request.otherwise {
        WithoutJournal::Release => {
            let due = due(request.reservation, request.due_in);
            let end_lease = of_record(&statements.end_lease).bind(due);
            vec![end_lease, of_record(&statements.release_unmarked)]
        }
        WithoutJournal::Abandon(record) => {
            let abandon = of_record(&statements.suspend_unmarked)
                .bind(record.as_bytes())
                .bind(lapse_code(record))
                .bind(request.ends_lease())
                .bind(due(record, request.due_in));
            vec![abandon]
        }
    };
    // Whoever knows of no journal leaves one alone.
    let suspend = request.suspended.has_journal().then_some(suspend);
    let may_end_wait = request.suspended.waits_for_steps();
    let end_wait = may_end_wait.then(|| end_wait(store, id, request.suspended));
    for statement in suspend.into_iter().chain(others).chain(end_wait) {
        write = write.and_then(|write| write.and(statement));
    }
    store.connection.write(write).await.map(drop)
}

/// Suspends a call that waits for its steps, if none is in doubt any more.
fn end_wait(store: &Inner, id: &RecordId, record: &Record) -> Query {
    let journal = record.journal().map(|journal| *journal.as_bytes()).unwrap_or_default();
    query(&store.statements.end_wait_for_steps)
        .bind(&id.hash()[..])
        .bind(&journal[..])
        .bind(record.has_input())
}

/// When a record is due, in milliseconds from now, if it has an input.
fn due(record: &Record, due_in: Option<Duration>) -> Option<i64> {
    due_in.filter(|_| record.has_input()).map(floor_millis)
}

fn owned(statement: &sqlx::SqlStr, id: &RecordId, token: Token) -> Query {
    query(statement).bind(&id.hash()[..]).bind(&token.as_bytes()[..])
}
