//! Sending many changes as one statement.

use std::pin::Pin;
use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use super::change::{Change, Changed};
use super::failure::{Failure, deadline};
use super::member::{Queued, Verdict};
use super::query::query;
use super::queue::Sender;
use crate::backends::postgres::connection::Retry;
use crate::backends::postgres::entry::EntryRow;
use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::query::Query;
use crate::backends::shared::notify::Hash;

impl Sender<Change> for Inner {
    async fn send(self: Arc<Self>, group: Vec<Queued<Change>>) {
        send(self, group).await;
    }
}

/// Sends a group, and answers each of its members. If the answer is lost, it is sent again: what took effect
/// is found by its token then.
async fn send(store: Arc<Inner>, mut group: Vec<Queued<Change>>) {
    group.sort_unstable_by(|one, other| one.member.hash().cmp(other.member.hash()));
    let deadline = deadline(&group, store.connection.timeout());
    let rows =
        store.connection.fetch_until(|| query_of(&store, &group), Retry::Yes, deadline).await;
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

/// The statement for those whose callers still wait: nobody expects a change of the others to be sent again.
fn query_of(store: &Inner, group: &[Queued<Change>]) -> Query {
    let live = group.iter().filter(|queued| !queued.is_closed());
    query(store, &live.map(|queued| &queued.member).collect::<Vec<_>>())
}

/// What has become of which record or step; `None` in the row that says that nothing was done.
fn changed(row: &PgRow) -> Result<Option<(Hash, Changed)>, Error> {
    let Some(id) = row.try_get::<Option<&[u8]>, _>("id")? else { return Ok(None) };
    let id = Hash::try_from(id).map_err(|error| Error::Decode(error.into()))?;
    let in_the_way =
        EntryRow::new(row.try_get("record")?, row.try_get("lapse")?, row.try_get("gone")?)?;
    let has_forgotten = row.try_get::<Option<bool>, _>("forgotten")?.unwrap_or(false);
    Ok(Some((id, Changed { in_the_way, has_forgotten })))
}

/// Answers a group in the order of its hashes. A member without a row was not taken.
fn answer(store: &Inner, group: Vec<Queued<Change>>, changed: Vec<Option<(Hash, Changed)>>) {
    let mut verdicts: Vec<Verdict<Changed>> = group.iter().map(|_| Verdict::Singly).collect();
    for row in changed {
        let Some((id, changed)) = row else {
            store.lanes.switch_off();
            continue;
        };
        let place = group.binary_search_by(|queued| queued.member.hash().cmp(&id));
        if let Some(verdict) = place.ok().and_then(|place| verdicts.get_mut(place)) {
            *verdict = Verdict::Answer(changed);
        }
    }
    group.into_iter().zip(verdicts).for_each(|(queued, verdict)| queued.answer(verdict));
}
