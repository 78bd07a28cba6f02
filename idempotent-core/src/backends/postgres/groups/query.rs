//! The statement of a group: its members as arrays.

use super::change::Change;
use super::record_change::RecordChange;
use super::step_change::StepChange;
use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::query::{Purpose, Query};
use crate::backends::postgres::scope_use::scope_of;
use crate::backends::postgres::transaction::lock;
use crate::model::{Record, StepEntry};

/// The statement that takes these changes.
pub(super) fn query(store: &Inner, group: &[&Change]) -> Query {
    let (mut records, mut steps) = (Vec::with_capacity(group.len()), Vec::new());
    for change in group {
        match change {
            Change::Record(change) => records.push(change),
            Change::Step(change) => steps.push(change),
        }
    }
    // A renewal is only among renewals.
    let has = |purpose| group.iter().any(|change| change.purpose() == purpose);
    let purpose = [Purpose::Renew, Purpose::Settle].into_iter().find(|purpose| has(*purpose));
    let statement = match steps[..] {
        [] => &store.statements.change,
        _ => &store.statements.change_with_steps,
    };
    let query = bind_records(Query::new(statement), store, &records);
    let query = if steps.is_empty() { query } else { bind_steps(query, &steps) };
    query.purpose(purpose.unwrap_or(Purpose::Work)).awaiting_abort()
}

fn bind_records(query: Query, store: &Inner, changes: &[&RecordChange]) -> Query {
    let patience = (store.connection.timeout() / 10).as_millis().max(1);
    query
        .bind(column(changes, |change| change.kind as i16))
        .bind(column(changes, |change| &change.id.hash()[..]))
        .bind(column(changes, |change| change.token.as_bytes().to_vec()))
        .bind(column(changes, |change| change.id.operation()))
        .bind(column(changes, RecordChange::guarantee))
        .bind(column(changes, |change| change.record.as_ref().map(Record::as_bytes)))
        .bind(column(changes, |change| change.time))
        .bind(column(changes, RecordChange::retention))
        .bind(column(changes, |change| scope_of(&change.id)))
        .bind(column(changes, |change| change.flag))
        .bind(column(changes, |change| lock(&change.id)))
        .bind(i32::try_from(patience).unwrap_or(i32::MAX))
        .bind(store.channel())
}

fn bind_steps(query: Query, changes: &[&StepChange]) -> Query {
    let also = || changes.iter().flat_map(|change| change.also.iter().map(move |it| (change, it)));
    query
        .bind(column(changes, |change| &change.id[..]))
        .bind(column(changes, |change| change.record.token().as_bytes().to_vec()))
        .bind(column(changes, |change| change.record.as_bytes()))
        .bind(column(changes, StepChange::guarantee))
        .bind(column(changes, StepChange::retention))
        .bind(column(changes, |change| &change.journal.as_bytes()[..]))
        .bind(column(changes, |change| &change.step.as_bytes()[..]))
        .bind(column(changes, |change| change.entry.as_bytes()))
        .bind(column(changes, |change| change.mode))
        .bind(column(changes, |change| change.replaced.as_ref().map(StepEntry::as_bytes)))
        .bind(column(changes, |change| change.begins))
        .bind(also().map(|(change, _)| &change.step.as_bytes()[..]).collect::<Vec<_>>())
        .bind(also().map(|(change, _)| &change.journal.as_bytes()[..]).collect::<Vec<_>>())
        .bind(also().map(|(_, (step, _))| &step.as_bytes()[..]).collect::<Vec<_>>())
        .bind(also().map(|(_, (_, entry))| entry.as_bytes()).collect::<Vec<_>>())
}

fn column<'a, M, T>(changes: &[&'a M], of: impl Fn(&'a M) -> T) -> Vec<T> {
    changes.iter().map(|change| of(change)).collect()
}
