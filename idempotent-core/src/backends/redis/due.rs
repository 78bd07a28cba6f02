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
use super::entry::{StoredValue, entry as stored_entry};
use super::error::{store_error, unexpected};
use super::script::{ScriptKeys, is_unknown_script};
use super::shared::Shared;
use crate::model::RecordId;
use crate::store::{Due, DueCall, Entry, State, StoreError, StoreErrorKind};

/// How many records are looked at together.
const AT_ONCE: usize = 64;

/// The most entries that one look returns, unless more are due at the same moment.
const MAX_ENTRIES: usize = 1000;

/// The record of an entry, at one moment.
struct Found {
    entry: Entry,
    /// For how long it has been due; `None`: it is not.
    overdue: Option<Duration>,
}

/// What could not be looked at, in a look that goes on without it.
#[derive(Default)]
struct Failures(Option<StoreError>);

impl Failures {
    fn note(&mut self, error: StoreError) {
        self.0.get_or_insert(error);
    }

    /// Fails with the first error if there is nothing to go on with. Otherwise the next look may see what this one misses.
    fn hide_nothing(self, found: &[DueCall]) -> Result<(), StoreError> {
        match self.0 {
            Some(error) if found.is_empty() => return Err(error),
            Some(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "some calls that are due could not be looked at; trying again soon"
            ),
            None => {}
        }
        Ok(())
    }
}

pub(super) async fn due(store: &Shared, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
    let without: HashSet<&[u8; 32]> = request.without.iter().collect();
    let places = indexes(store, request.operations, request.part).await?;
    let asked = join_all(places.iter().map(|place| due_at(store, place, request, &without))).await;
    // One server that is away must not hide the calls of the others.
    let (mut found, mut failed) = (Vec::new(), Failures::default());
    for answer in asked {
        match answer {
            Ok(calls) => found.extend(calls),
            Err(error) => failed.note(error),
        }
    }
    failed.hide_nothing(&found)?;
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
    // While a slot moves, the server may refuse to look at one call, or answer no other server's.
    let mut failed = Failures::default();
    loop {
        let look = look(store, place, least, most).await?;
        let is_last = look.len() < most;
        let reached = look.last().map(|(_, due)| *due);
        let mut fresh = Vec::new();
        for (entry, _) in look {
            let id = store.keys.id_of_entry(&entry);
            let id = id.filter(|id| request.operations.contains(&id.operation()));
            if let Some(id) = id.filter(|id| !without.contains(id.hash())) {
                if seen.insert(*id.hash()) {
                    fresh.push(id);
                }
            }
        }
        for ids in fresh.chunks(AT_ONCE) {
            for call in join_all(ids.iter().map(|id| suspended(store, id))).await {
                match call {
                    Ok(call) => found.extend(call),
                    Err(error) => failed.note(error),
                }
            }
            if found.len() >= request.limit {
                found.truncate(request.limit);
                return Ok(found);
            }
        }
        if is_last {
            failed.hide_nothing(&found)?;
            return Ok(found);
        }
        // What is due at the same moment may go on behind the page.
        if reached == least {
            most = most.saturating_mul(2);
        }
        (least, most) = (reached, most.max(MAX_ENTRIES));
    }
}

/// The call of an entry, if it is suspended and still due. If it is not suspended, its entry is put right.
async fn suspended(store: &Shared, id: &RecordId) -> Result<Option<DueCall>, StoreError> {
    let key = store.keys.of(id);
    let index = store.keys.due_of(id, &key);
    match load_due(store, &key, &index).await {
        Ok(Some(Found { entry, overdue }))
            if entry.state == State::Suspended && entry.record.has_input() =>
        {
            // It may have been resumed and suspended again since the look: to be resumed later, or by its caller only.
            Ok(overdue.map(|overdue| DueCall::new(id.clone(), entry, overdue)))
        }
        Ok(_) => {
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

/// The record of an entry, and whether it is due.
async fn load_due(store: &Shared, key: &str, index: &str) -> Result<Option<Found>, StoreError> {
    let keys = ScriptKeys::with(key, None, Some(index));
    let arguments = [store.keys.due_entry(key).as_bytes()];
    let answer = store.run(&store.scripts.load_due, keys, &arguments, Retry::Once).await;
    let mut answer = match answer.map_err(store_error)? {
        Value::Nil => return Ok(None),
        Value::Array(answer) => answer.into_iter(),
        answer => return Err(store_error(unexpected(&answer))),
    };
    let (Some(Value::BulkString(value)), Some(Value::Int(pttl))) = (answer.next(), answer.next())
    else {
        return Err(store_error(unexpected(&Value::Nil)));
    };
    let overdue = match answer.next() {
        Some(Value::Int(overdue)) => u64::try_from(overdue).ok().map(Duration::from_millis),
        _ => None,
    };
    Ok(Some(Found { entry: stored_entry(&StoredValue { value, pttl })?, overdue }))
}

/// The entries that are due, each with its due time, by the indexes of one server.
async fn look(
    store: &Shared,
    place: &Indexes,
    least: Option<i64>,
    most: usize,
) -> Result<Vec<(String, i64)>, StoreError> {
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
    // By a key the servers say where it is; what has no keys goes to its primary.
    if let Some(key) = place.keys.first() {
        return store.client.send(key, &command, Retry::Once).await;
    }
    let mut commands = Pipeline::with_capacity(1);
    commands.add_command(command);
    let mut answers = store.client.send_all_to_node(&place.node, &commands).await?;
    answers.pop().unwrap_or_default().extract_error()
}

/// Pairs of an entry and its due time.
fn parse(answer: Value) -> Result<Vec<(String, i64)>, StoreError> {
    let malformed = || store_error(unexpected(&Value::Nil));
    let Value::Array(answer) = answer else { return Err(malformed()) };
    let mut answer = answer.into_iter();
    let mut entries = Vec::with_capacity(answer.len() / 2);
    while let Some(entry) = answer.next() {
        let (Value::BulkString(entry), Some(Value::Int(due))) = (entry, answer.next()) else {
            return Err(malformed());
        };
        entries.push((String::from_utf8_lossy(&entry).into_owned(), due));
    }
    Ok(entries)
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
