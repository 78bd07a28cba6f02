//! Paging through all records.
//!
//! Unfinished calls come first, since records move from there to the completed ones: shard by shard,
//! ordered by hash within each. Completed records follow, ordered by hash. moka keeps no order, so
//! each of their pages walks over all of them.
//!
//! The steps of suspended calls are looked at one call after the other, so that nobody waits for a shard for longer than
//! one journal takes.

use std::collections::BTreeMap;

use super::completed::Completed;
use super::moment::Moment;
use super::records::Records;
use super::slot::Slot;
use crate::backends::shared::cache::Hash;
use crate::model::RecordId;
use crate::store::{Cursor, Entry, Page, Scan, State, StoreError, StoreErrorKind, Unreadable};

/// How many calls of a shard are found at least, before their steps are looked at: each time the whole shard is walked over.
const LOOKED_AT: usize = 256;

/// A page for what is in doubt ends after so many steps, whatever it has found.
const STEPS_PER_PAGE: usize = 200_000;

/// Where a page starts: after a hash, in a shard of the unfinished calls or in the completed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    /// `None` for the completed records.
    shard: Option<usize>,
    after: Option<Hash>,
}

pub(super) fn page(
    records: &Records<Completed>,
    request: &Scan,
    now: Moment,
) -> Result<Page, StoreError> {
    let limit = request.limit.max(1);
    let mut start = match &request.cursor {
        Some(cursor) => Start::parse(cursor).ok_or_else(invalid_cursor)?,
        None => Start::in_shard(0),
    };
    let (mut entries, mut looked) = (Vec::new(), 0);
    while let Some(shard) = start.shard {
        let room = limit - entries.len();
        let most = if request.in_doubt { room.max(LOOKED_AT) } else { room };
        start = match unfinished(records, shard, start.after, most, request, now) {
            None => Start::COMPLETED,
            Some(mut part) => {
                if request.in_doubt {
                    part = leave_out_settled(records, part, room, &mut looked);
                }
                entries.extend(part.found);
                match part.last {
                    Some(last) => Start { after: Some(last), ..start },
                    None => Start::in_shard(shard + 1),
                }
            }
        };
        if entries.len() >= limit || looked >= STEPS_PER_PAGE {
            return Ok(page_of(entries, Some(start.to_cursor())));
        }
    }
    if !request.states.is_empty() && !request.states.contains(&State::Completed) {
        return Ok(page_of(entries, None));
    }
    let Part { found, last } = completed(records, start.after, limit - entries.len(), request, now);
    entries.extend(found);
    let next = last.map(|last| Start { after: Some(last), ..Start::COMPLETED }.to_cursor());
    Ok(page_of(entries, next))
}

/// Some entries, and the hash of the last one if more follow.
struct Part {
    found: Vec<(Hash, Entry)>,
    last: Option<Hash>,
}

fn unfinished(
    records: &Records<Completed>,
    shard: usize,
    after: Option<Hash>,
    room: usize,
    request: &Scan,
    now: Moment,
) -> Option<Part> {
    let mut first = FirstEntries::new(room, after);
    let shard_exists = records.unfinished.for_each_in(shard, |id, slot| {
        let entry = slot.entry(now).filter(|entry| request.wants(entry.state, &entry.record));
        if let Some(entry) = entry {
            first.offer(*id, entry);
        }
    });
    shard_exists.then(|| first.into_part())
}

/// The first few of them about which somebody must say something, as far as their journals tell.
fn leave_out_settled(
    records: &Records<Completed>,
    part: Part,
    room: usize,
    looked: &mut usize,
) -> Part {
    let Part { found, mut last } = part;
    let (mut kept, mut found) = (Vec::new(), found.into_iter().peekable());
    while let Some((id, entry)) = found.next() {
        let is_open = entry.state == State::Suspended && entry.record.has_journal();
        let is_settled = is_open && {
            let locked = records.unfinished.lock(&id);
            let slot = locked.slot();
            *looked += slot.map_or(0, Slot::steps);
            // Whoever has ended or taken it since is the reader's to see.
            slot.is_some_and(|slot| !slot.has_begun_step())
        };
        if !is_settled {
            kept.push((id, entry));
        }
        if found.peek().is_some() && (kept.len() >= room || *looked >= STEPS_PER_PAGE) {
            last = Some(id);
            break;
        }
    }
    Part { found: kept, last }
}

fn completed(
    records: &Records<Completed>,
    after: Option<Hash>,
    room: usize,
    request: &Scan,
    now: Moment,
) -> Part {
    let mut first = FirstEntries::new(room, after);
    for (id, entry) in records.completed.iter(now) {
        if request.wants(entry.state, &entry.record) {
            first.offer(id, entry);
        }
    }
    first.into_part()
}

/// Of all entries offered, the first few after a hash.
struct FirstEntries {
    room: usize,
    after: Option<Hash>,
    found: BTreeMap<Hash, Entry>,
    more: bool,
}

impl FirstEntries {
    const fn new(room: usize, after: Option<Hash>) -> Self {
        Self { room, after, found: BTreeMap::new(), more: false }
    }

    fn offer(&mut self, id: Hash, entry: Entry) {
        if self.after.is_some_and(|after| id <= after) {
            return;
        }
        self.found.insert(id, entry);
        if self.found.len() > self.room {
            self.found.pop_last();
            self.more = true;
        }
    }

    fn into_part(self) -> Part {
        let last = self.found.last_key_value().map(|(id, _)| *id);
        Part { last: last.filter(|_| self.more), found: self.found.into_iter().collect() }
    }
}

/// A page of entries whose ids are restored from the operations' names in their records.
fn page_of(found: Vec<(Hash, Entry)>, next: Option<Cursor>) -> Page {
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    for (hash, entry) in found {
        match RecordId::from_hash(entry.record.operation().to_owned(), hash) {
            Ok(id) => entries.push((id, entry)),
            Err(error) => unreadable.push(Unreadable::row(None, &hash, error.to_string())),
        }
    }
    Page::new(entries, next).with_unreadable(unreadable)
}

impl Start {
    const COMPLETED: Self = Self { shard: None, after: None };

    const fn in_shard(shard: usize) -> Self {
        Self { shard: Some(shard), after: None }
    }

    fn to_cursor(self) -> Cursor {
        let shard = self.shard.map(|shard| shard.to_string());
        let after = self.after.map(|hash| blake3::Hash::from_bytes(hash).to_string());
        Cursor(format!("{}:{}", shard.unwrap_or_default(), after.unwrap_or_default()))
    }

    fn parse(cursor: &Cursor) -> Option<Self> {
        let (shard, after) = cursor.0.split_once(':')?;
        Some(Self {
            shard: parse_unless_empty(shard, |shard| shard.parse().ok())?,
            after: parse_unless_empty(after, |hex| {
                Some(*blake3::Hash::from_hex(hex).ok()?.as_bytes())
            })?,
        })
    }
}

fn parse_unless_empty<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}

fn invalid_cursor() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the cursor is not one that this store returned")
}
