//! Sending many changes as one statement.

use std::pin::Pin;
use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use super::change::{Change, Changed};
use super::failure::{Failure, deadline};
use super::queue::{Queued, Sender, Verdict};
use crate::backends::postgres::connection::Retry;
use crate::backends::postgres::entry::EntryRow;
use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::query::{Purpose, Query};
use crate::backends::postgres::scope_use::scope_of;
use crate::backends::postgres::transaction::lock;
use crate::backends::shared::notify::Hash;
use crate::model::Record;

impl Sender<Change> for Inner {
    async fn send(self: Arc<Self>, group: Vec<Queued<Change>>) {
        send(self, group).await;
    }
}

/// Sends a group, and answers each of its members. If the answer is lost, it is sent again: what took effect
/// is found by its token then.
async fn send(store: Arc<Inner>, mut group: Vec<Queued<Change>>) {
    group.sort_unstable_by(|one, other| one.member.id.hash().cmp(other.member.id.hash()));
    let deadline = deadline(&group, store.connection.timeout());
    let rows = store.connection.fetch_until(|| query(&store, &group), Retry::Yes, deadline).await;
    match rows.and_then(|rows| rows.iter().map(changed).collect::<Result<Vec<_>, Error>>()) {
        Ok(changed) => answer(&store, group, changed),
        Err(error) => match Failure::of(error) {
            Failure::OfOneMember if group.len() > 1 => halve(&store, group),
            failure => failure.answer(group),
        },
    }
}

/// Sends each half by itself, in tasks of their own: a half does not wait for the other.
fn halve(store: &Arc<Inner>, mut group: Vec<Queued<Change>>) {
    let other = group.split_off(group.len() / 2);
    for half in [group, other] {
        let sent: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(send(Arc::clone(store), half));
        tokio::spawn(sent);
    }
}

/// The statement for those whose callers still wait: nobody expects a step of the others to be sent again.
fn query(store: &Inner, group: &[Queued<Change>]) -> Query {
    fn column<'a, T>(live: &[&'a Change], of: impl Fn(&'a Change) -> T) -> Vec<T> {
        live.iter().map(|change| of(change)).collect()
    }
    let live = group.iter().filter(|queued| !queued.is_closed());
    let live: Vec<&Change> = live.map(|queued| &queued.member).collect();
    // A renewal is only among renewals.
    let has = |purpose| live.iter().any(|change| change.purpose() == purpose);
    let purpose = [Purpose::Renew, Purpose::Settle].into_iter().find(|purpose| has(*purpose));
    let patience = (store.connection.timeout() / 10).as_millis().max(1);
    let tokens = column(&live, |change| *change.token.as_bytes());
    let tokens: Vec<&[u8]> = tokens.iter().map(|token| &token[..]).collect();
    Query::new(&store.statements.change)
        .bind(column(&live, |change| change.kind as i16))
        .bind(column(&live, |change| &change.id.hash()[..]))
        .bind(tokens)
        .bind(column(&live, |change| change.id.operation()))
        .bind(column(&live, Change::guarantee))
        .bind(column(&live, |change| change.record.as_ref().map(Record::as_bytes)))
        .bind(column(&live, |change| change.time))
        .bind(column(&live, Change::retention))
        .bind(column(&live, |change| scope_of(&change.id)))
        .bind(column(&live, |change| change.flag))
        .bind(column(&live, |change| lock(&change.id)))
        .bind(i32::try_from(patience).unwrap_or(i32::MAX))
        .bind(store.channel())
        .purpose(purpose.unwrap_or(Purpose::Work))
}

/// What has become of which id; `None` in the row that says that nothing was done.
fn changed(row: &PgRow) -> Result<Option<(Hash, Changed)>, Error> {
    let Some(id) = row.try_get::<Option<&[u8]>, _>("id")? else { return Ok(None) };
    let id = Hash::try_from(id).map_err(|error| Error::Decode(error.into()))?;
    let in_the_way =
        EntryRow::new(row.try_get("record")?, row.try_get("lapse")?, row.try_get("gone")?)?;
    let has_forgotten = row.try_get::<Option<bool>, _>("forgotten")?.unwrap_or(false);
    Ok(Some((id, Changed { in_the_way, has_forgotten })))
}

/// Answers a group in the order of its ids. A member without a row was not taken.
fn answer(store: &Inner, group: Vec<Queued<Change>>, changed: Vec<Option<(Hash, Changed)>>) {
    let mut verdicts: Vec<Verdict<Changed>> = group.iter().map(|_| Verdict::Singly).collect();
    for row in changed {
        let Some((id, changed)) = row else {
            store.lanes.switch_off();
            continue;
        };
        let place = group.binary_search_by(|queued| queued.member.id.hash().cmp(&id));
        if let Some(verdict) = place.ok().and_then(|place| verdicts.get_mut(place)) {
            *verdict = Verdict::Answer(changed);
        }
    }
    group.into_iter().zip(verdicts).for_each(|(queued, verdict)| queued.answer(verdict));
}
