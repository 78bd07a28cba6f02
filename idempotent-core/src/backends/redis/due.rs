//! Finding the calls that are due, by the indexes of their times.
//!
//! An entry of an index is a hint that is never missing and may be outdated: a renewal does not change it, and a record
//! that expires leaves it behind. So the records are looked at, and an entry whose call is not suspended is put right.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, Value};

use super::connection::Retry;
use super::due_key::{Indexes, indexes};
use super::error::{store_error, unexpected};
use super::script::{ScriptKeys, is_unknown_script};
use super::shared::Shared;
use crate::model::RecordId;
use crate::store::{Due, DueCall, State, StoreError, StoreErrorKind};

/// How many records are looked at together.
const AT_ONCE: usize = 64;

/// The most entries that one look returns, unless more are due at the same moment.
const MAX_ENTRIES: usize = 1000;

/// An entry of an index.
struct DueEntry {
    id: RecordId,
    overdue: Duration,
}

/// One look at the indexes of a server.
struct Look {
    entries: Vec<(String, i64)>,
    now: i64,
}

pub(super) async fn due(store: &Shared, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
    let without: HashSet<&[u8; 32]> = request.without.iter().collect();
    let places = indexes(store, request.operations, request.part).await?;
    let asked = join_all(places.iter().map(|place| due_at(store, place, request, &without))).await;
    let (mut found, mut failed) = (Vec::new(), None);
    for answer in asked {
        match answer {
            Ok(calls) => found.extend(calls),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        // One server that is away must not hide the calls of the others.
        Some(error) if found.is_empty() => return Err(error),
        _ => {}
    }
    found.sort_by_key(|call| Reverse(call.overdue));
    found.truncate(request.limit);
    Ok(found)
}

/// The calls that are due by the indexes of one server.
async fn due_at(
    store: &Shared,
    place: &Indexes,
    request: &Due<'_>,
    without: &HashSet<&[u8; 32]>,
) -> Result<Vec<DueCall>, StoreError> {
    let mut most = request.limit.saturating_add(without.len()).clamp(1, MAX_ENTRIES);
    let (mut found, mut seen, mut least) = (Vec::new(), HashSet::new(), None);
    loop {
        let look = look(store, place, least, most).await?;
        let is_last = look.entries.len() < most;
        let reached = look.entries.last().map(|(_, due)| *due);
        let mut fresh = Vec::new();
        for (entry, due) in look.entries {
            let id = store.keys.id_of_entry(&entry);
            let id = id.filter(|id| request.operations.contains(&id.operation()));
            if let Some(id) = id.filter(|id| !without.contains(id.hash())) {
                let overdue = u64::try_from(look.now.saturating_sub(due)).unwrap_or_default();
                let overdue = Duration::from_millis(overdue);
                if seen.insert(*id.hash()) {
                    fresh.push(DueEntry { id, overdue });
                }
            }
        }
        for entries in fresh.chunks(AT_ONCE) {
            for call in join_all(entries.iter().map(|entry| suspended(store, entry))).await {
                found.extend(call?);
            }
            if found.len() >= request.limit {
                found.truncate(request.limit);
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
        // What is due at the same moment may go on behind the page.
        if reached == least {
            most = most.saturating_mul(2);
        }
        (least, most) = (reached, most.max(MAX_ENTRIES));
    }
}

/// The call of an entry, if it is suspended. If not, its entry is put right.
async fn suspended(store: &Shared, entry: &DueEntry) -> Result<Option<DueCall>, StoreError> {
    let key = store.keys.of(&entry.id);
    match store.load(&key).await {
        Ok(Some(found)) if found.state == State::Suspended && found.record.has_input() => {
            Ok(Some(DueCall::new(entry.id.clone(), found, entry.overdue)))
        }
        Ok(_) => {
            let index = store.keys.due_of(&entry.id, &key);
            let keys = ScriptKeys::with(&key, None, Some(&index));
            let arguments = [store.keys.due_entry(&key).as_bytes()];
            let answer = store.run(&store.scripts.defer, keys, &arguments, Retry::Once).await;
            answer.map(|_| None).map_err(store_error)
        }
        // What cannot be read must not hide the others: a scan shows it.
        Err(error) if error.kind() == StoreErrorKind::Malformed => Ok(None),
        Err(error) => Err(error),
    }
}

async fn look(
    store: &Shared,
    place: &Indexes,
    least: Option<i64>,
    most: usize,
) -> Result<Look, StoreError> {
    let least = least.map_or_else(|| "-inf".to_owned(), |least| least.to_string());
    let most = most.to_string();
    let mut arguments = vec![least.as_bytes(), most.as_bytes()];
    arguments.extend(place.tagged.iter().map(String::as_bytes));
    let script = &store.scripts.due;
    let answer = match send(store, place, script.of_keys(&place.keys, &arguments)).await {
        Err(error) if is_unknown_script(&error) => {
            send(store, place, script.of_keys_by_code(&place.keys, &arguments)).await
        }
        answer => answer,
    };
    parse(answer.map_err(store_error)?)
}

async fn send(store: &Shared, place: &Indexes, command: Cmd) -> redis::RedisResult<Value> {
    let mut commands = Pipeline::with_capacity(1);
    commands.add_command(command);
    let mut answers = store.client.send_all_to_node(&place.node, &commands).await?;
    answers.pop().unwrap_or_default().extract_error()
}

/// The time, and pairs of an entry and its due time.
fn parse(answer: Value) -> Result<Look, StoreError> {
    let malformed = || store_error(unexpected(&Value::Nil));
    let Value::Array(answer) = answer else { return Err(malformed()) };
    let mut answer = answer.into_iter();
    let Some(Value::Int(now)) = answer.next() else { return Err(malformed()) };
    let mut entries = Vec::with_capacity(answer.len() / 2);
    while let Some(entry) = answer.next() {
        let (Value::BulkString(entry), Some(Value::Int(due))) = (entry, answer.next()) else {
            return Err(malformed());
        };
        entries.push((String::from_utf8_lossy(&entry).into_owned(), due));
    }
    Ok(Look { entries, now })
}

pub(super) async fn due_in(store: &Shared, id: &RecordId) -> Result<Option<Duration>, StoreError> {
    let key = store.keys.of(id);
    let index = store.keys.due_of(id, &key);
    let keys = ScriptKeys::with(&key, None, Some(&index));
    let arguments = [store.keys.due_entry(&key).as_bytes()];
    let answer = store.run(&store.scripts.due_in, keys, &arguments, Retry::Once).await;
    match answer.map_err(store_error)? {
        Value::Nil => Ok(None),
        Value::Int(millis) => Ok(Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))),
        answer => Err(store_error(unexpected(&answer))),
    }
}
