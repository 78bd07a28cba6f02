//! Paging through both maps.
//!
//! Claims come first, since that is the way records move: shard by shard, and by hash within one.
//! Completed records follow by hash. moka keeps no order, so each of their pages walks all of them.

use std::collections::BTreeMap;

use super::claims::Hash;
use super::completed::Evicting;
use super::ledger::{Completed, Ledger};
use super::moment::Moment;
use super::{Cursor, Entry, Page, RecordId, Scan, State, StoreError, StoreErrorKind};

/// Where a page starts: after a hash, in a shard of the claims or in the completed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    /// `None` for the completed records.
    shard: Option<usize>,
    after: Option<Hash>,
}

pub(super) fn page(
    ledger: &Ledger<Evicting>,
    request: &Scan,
    now: Moment,
) -> Result<Page, StoreError> {
    let limit = request.limit.max(1);
    let mut start = match &request.cursor {
        Some(cursor) => Start::parse(cursor).ok_or_else(not_ours)?,
        None => Start::in_shard(0),
    };
    let mut entries = Vec::new();
    while let Some(shard) = start.shard {
        let room = limit - entries.len();
        start = match claims(ledger, shard, start.after, room, request, now) {
            None => Start::COMPLETED,
            Some(Part { found, last }) => {
                entries.extend(found);
                match last {
                    Some(last) => Start { after: Some(last), ..start },
                    None => Start::in_shard(shard + 1),
                }
            }
        };
        if entries.len() >= limit {
            return Ok(Page::new(named(entries), Some(start.to_cursor())));
        }
    }
    if !request.states.is_empty() && !request.states.contains(&State::Completed) {
        return Ok(Page::new(named(entries), None));
    }
    let Part { found, last } = completed(ledger, start.after, limit - entries.len(), request, now);
    entries.extend(found);
    let next = last.map(|last| Start { after: Some(last), ..Start::COMPLETED }.to_cursor());
    Ok(Page::new(named(entries), next))
}

/// Some entries, and the last one's hash if more follow.
struct Part {
    found: Vec<(Hash, Entry)>,
    last: Option<Hash>,
}

fn claims(
    ledger: &Ledger<Evicting>,
    shard: usize,
    after: Option<Hash>,
    room: usize,
    request: &Scan,
    now: Moment,
) -> Option<Part> {
    let mut first = First::new(room, after);
    let there = ledger.claims.for_each_in(shard, |id, slot| {
        if let Some(entry) = slot.entry(now).filter(|e| request.wants(e.state, &e.record)) {
            first.offer(*id, entry);
        }
    });
    there.then(|| {
        let mut part = first.into_part();
        for (id, entry) in &mut part.found {
            // Behind a mark, the record itself may still be there.
            if entry.state == State::Completed {
                if let Some(record) = ledger.completed.get(id, now) {
                    *entry = record;
                }
            }
        }
        part
    })
}

fn completed(
    ledger: &Ledger<Evicting>,
    after: Option<Hash>,
    room: usize,
    request: &Scan,
    now: Moment,
) -> Part {
    let mut first = First::new(room, after);
    for (id, entry) in ledger.completed.iter(now) {
        // Those under at most once were seen among the claims, by their marks.
        if !entry.record.guarantee().keeps_lapsed() && request.wants(entry.state, &entry.record) {
            first.offer(id, entry);
        }
    }
    first.into_part()
}

/// The first few entries after a hash, of any number that are offered.
struct First {
    room: usize,
    after: Option<Hash>,
    found: BTreeMap<Hash, Entry>,
    more: bool,
}

impl First {
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

/// A record's name is part of its bytes; one that no id could carry is not ours to show.
fn named(entries: Vec<(Hash, Entry)>) -> Vec<(RecordId, Entry)> {
    let named = entries.into_iter().filter_map(|(hash, entry)| {
        let id = RecordId::from_hash(entry.record.operation().to_owned(), hash).ok()?;
        Some((id, entry))
    });
    named.collect()
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
            shard: unless_empty(shard, |shard| shard.parse().ok())?,
            after: unless_empty(after, |hex| Some(*blake3::Hash::from_hex(hex).ok()?.as_bytes()))?,
        })
    }
}

fn unless_empty<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}

fn not_ours() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the cursor is not one that this store gave")
}
