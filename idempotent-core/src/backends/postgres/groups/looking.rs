//! Looking for many ids at once. It only reads, and so waits for no commit.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::failure::{Failure, deadline};
use super::look::{LONGEST_RECORD, Look};
use super::member::{Queued, Verdict};
use super::queue::Sender;
use crate::backends::postgres::connection::Retry;
use crate::backends::postgres::entry::EntryRow;
use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::query::Query;
use crate::backends::shared::notify::Hash;
use crate::store::{Entry, State, StoreError};

impl Sender<Look> for Inner {
    async fn send(self: Arc<Self>, group: Vec<Queued<Look>>) {
        let store = self;
        let query = || {
            let ids: Vec<&[u8]> = group.iter().map(|queued| &queued.member.0[..]).collect();
            Query::new(&store.statements.look).bind(ids).bind(LONGEST_RECORD)
        };
        let deadline = deadline(&group, store.connection.timeout());
        let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
        let found = rows.and_then(|rows| by_id(&rows).map(|ids| (rows, ids)));
        match found {
            Ok((rows, places)) => {
                for queued in group {
                    let row = places.get(&queued.member.0).and_then(|&place| rows.get(place));
                    queued.answer(row.map_or(Verdict::Answer(None), verdict));
                }
            }
            // It only reads: no member can be the reason for anything.
            Err(error) => Failure::of(error).answer(group),
        }
    }
}

/// Where the row of each id is.
fn by_id(rows: &[PgRow]) -> Result<HashMap<Hash, usize>, sqlx::Error> {
    let mut places = HashMap::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        if let Ok(hash) = Hash::try_from(row.try_get::<&[u8], _>("id")?) {
            places.insert(hash, place);
        }
    }
    Ok(places)
}

fn verdict(row: &PgRow) -> Verdict<Option<Entry>> {
    match entry(row) {
        Ok(Some(found)) => Verdict::Answer(found),
        // Too long, or unreadable, which its caller is told in full when it asks alone.
        Ok(None) | Err(_) => Verdict::Singly,
    }
}

/// `None` if the record is too long.
fn entry(row: &PgRow) -> Result<Option<Option<Entry>>, StoreError> {
    let Some(found) = EntryRow::read_optional(row)? else { return Ok(None) };
    let is_writable = row.try_get("is_writable").unwrap_or(false);
    // A lapsed reservation is to be taken, and what a standby knows of one may be old.
    let is_in_the_way = |entry: &Entry| match entry.state {
        State::Completed => true,
        State::Lapsed => false,
        _ => is_writable,
    };
    Ok(Some(found.entry()?.filter(is_in_the_way)))
}
