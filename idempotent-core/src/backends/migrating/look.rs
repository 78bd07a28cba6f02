//! What two stores know of one id, together.

use super::join::join_all;
use super::limits::from_second;
use crate::model::RecordId;
use crate::store::{Cursor, Entry, Page, Scan, State, Store, StoreError, StoreErrorKind};

/// Where a scan of the old store continues, and of the new one.
const OLD: char = 'o';
const NEW: char = 'n';

/// How many records of a page are looked for in the other store at once: each may be as large as the engine's limit.
const LOADED_AT_ONCE: usize = 16;

/// Whether an entry keeps an id from being reserved.
pub(super) fn is_vacant(entry: Option<&Entry>) -> bool {
    entry.is_none_or(|entry| entry.state == State::Lapsed)
}

/// What counts of what the two stores have: a completed record, and otherwise what the old store has, since everybody
/// respects that.
pub(super) fn merged(old: Option<Entry>, new: Option<Entry>) -> Option<Entry> {
    let is_completed =
        |entry: &Option<Entry>| entry.as_ref().is_some_and(|entry| entry.state == State::Completed);
    if is_completed(&old) || (!is_completed(&new) && !is_vacant(old.as_ref())) {
        return old;
    }
    // A lapsed record says more than none.
    new.or(old)
}

/// A refusal by one store, after a look into the other one: that may have the result.
pub(super) async fn refusal<S: Store>(
    other: (&S, &str),
    id: &RecordId,
    found: Entry,
    merge: impl FnOnce(Entry, Option<Entry>) -> Option<Entry>,
) -> Result<Entry, StoreError> {
    if found.state == State::Completed {
        return Ok(found);
    }
    match from_second(other, found.record.lease(), other.0.load(id)).await {
        Ok(seen) => Ok(merge(found.clone(), seen).unwrap_or(found)),
        // To be told that the call runs is right in any case. Not so that nobody knows how it ended: that would be final.
        Err(_) if found.state == State::Reserved => Ok(found),
        Err(error) => Err(error),
    }
}

/// The record of an id in two stores. The second one is asked only if the first does not have the result.
pub(super) async fn load<A: Store, B: Store>(
    old: &A,
    new: &B,
    id: &RecordId,
    new_first: bool,
) -> Result<Option<Entry>, StoreError> {
    let is_completed = |entry: &Entry| entry.state == State::Completed;
    if new_first {
        let entry = new.load(id).await?;
        if entry.as_ref().is_some_and(is_completed) {
            return Ok(entry);
        }
        return Ok(merged(old.load(id).await?, entry));
    }
    let entry = old.load(id).await?;
    if entry.as_ref().is_some_and(is_completed) {
        return Ok(entry);
    }
    Ok(merged(entry, new.load(id).await?))
}

/// A page of the old store, or, behind its last one, of the new one. A completed record that is in both is on two pages.
///
/// What has not ended is told only after a look into the other store, as everywhere: whoever reads of an indeterminate call
/// may free it, and it may run by the store that decides, or have completed.
pub(super) async fn scan<A: Store, B: Store>(
    old: &A,
    new: &B,
    request: &Scan,
) -> Result<Page, StoreError> {
    let mut inner = Scan { cursor: None, ..request.clone() };
    let in_new = match &request.cursor {
        None => false,
        Some(Cursor(text)) => {
            let mut rest = text.chars();
            let in_new = match rest.next() {
                Some(OLD) => false,
                Some(NEW) => true,
                _ => {
                    let error = "the cursor is not one of this store";
                    return Err(
                        StoreError::new(StoreErrorKind::Unavailable, error).without_outage()
                    );
                }
            };
            inner.cursor =
                Some(rest.as_str()).filter(|it| !it.is_empty()).map(|it| Cursor(it.to_owned()));
            in_new
        }
    };
    if in_new {
        let mut page = new.scan(&inner).await?;
        keep(&mut page, old, |other| is_vacant(Some(other))).await?;
        return Ok(Page {
            next: page.next.map(|Cursor(next)| Cursor(format!("{NEW}{next}"))),
            ..page
        });
    }
    let mut page = old.scan(&inner).await?;
    keep(&mut page, new, |other| other.state != State::Completed).await?;
    let next = page.next.map_or_else(|| NEW.to_string(), |Cursor(next)| format!("{OLD}{next}"));
    Ok(Page { next: Some(Cursor(next)), ..page })
}

/// Drops what has not ended and does not count, by what the other store has of it.
async fn keep<S: Store>(
    page: &mut Page,
    other: &S,
    counts_beside: impl Fn(&Entry) -> bool,
) -> Result<(), StoreError> {
    let has_ended = |entry: &Entry| entry.state == State::Completed;
    let unfinished = page.entries.iter().filter(|(_, entry)| !has_ended(entry));
    let unfinished: Vec<&RecordId> = unfinished.map(|(id, _)| id).collect();
    let mut counts = Vec::with_capacity(unfinished.len());
    for ids in unfinished.chunks(LOADED_AT_ONCE) {
        for answer in join_all(ids.iter().map(|id| other.load(id))).await {
            counts.push(answer?.is_none_or(|it| counts_beside(&it)));
        }
    }
    let mut counts = counts.into_iter();
    page.entries.retain(|(_, entry)| has_ended(entry) || counts.next().unwrap_or(true));
    Ok(())
}
