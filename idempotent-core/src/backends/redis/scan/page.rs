//! One page of a scan: `SCAN` on one primary after the other, and the entry of each key that it finds.

use redis::{Pipeline, Value};

use super::position::ScanPosition;
use crate::backends::redis::connection::Node;
use crate::backends::redis::entry::{self, StoredValue};
use crate::backends::redis::error::store_error;
use crate::backends::redis::shared::Shared;
use crate::model::RecordId;
use crate::store::{Page, Scan, State, StoreError, StoreErrorKind, Unreadable};

/// How many keys a server examines in one step, at least and at most.
const SMALLEST_STEP: usize = 10;
const LARGEST_STEP: usize = 1000;

/// A page ends after this many steps, even if they found nothing.
const MAX_STEPS: usize = 20;

/// How many values are loaded at once: each may be as large as the engine's limit.
const LOADED_AT_ONCE: usize = 128;

/// Where the outcome is in a record, and its value in a reservation.
const OUTCOME_AT: isize = 1;
const RESERVED: &[u8] = &[0];

type Key = (Vec<u8>, RecordId);

pub(in crate::backends::redis) async fn scan(
    store: &Shared,
    request: &Scan,
) -> Result<Page, StoreError> {
    let primaries = store.client.primaries().await.map_err(store_error)?;
    let mut position = ScanPosition::new(request.cursor.as_ref(), primaries)?;
    let glob = store.keys.glob(request.operation.as_deref());
    let mut count = request.limit.clamp(SMALLEST_STEP, LARGEST_STEP);
    let mut found = Page::new(Vec::new(), None);
    for _ in 0..MAX_STEPS {
        let Some(node) = position.node().cloned() else { break };
        let keys = keys_of_records(store, request, position.step(store, &glob, count).await?);
        let keys = without_completed(store, &node, request, keys).await?;
        if keys.is_empty() {
            count = (count * 2).min(LARGEST_STEP);
        }
        for keys in keys.chunks(LOADED_AT_ONCE) {
            load_entries(store, &node, request, keys, &mut found).await?;
        }
        if found.entries.len() >= request.limit.max(1) {
            break;
        }
    }
    found.next = position.cursor();
    Ok(found)
}

/// The keys of records that the scan may want. The glob also matches others.
fn keys_of_records(store: &Shared, request: &Scan, keys: Vec<Vec<u8>>) -> Vec<Key> {
    let wanted = |id: &RecordId| {
        request.operation.as_deref().is_none_or(|operation| operation == id.operation())
    };
    keys.into_iter()
        .filter_map(|key| store.keys.id(&key).filter(wanted).map(|id| (key, id)))
        .collect()
}

/// Drops the keys of completed records, if the scan does not want these. Most records are completed, and
/// they are the large ones, so they are not read.
async fn without_completed(
    store: &Shared,
    node: &Node,
    request: &Scan,
    keys: Vec<Key>,
) -> Result<Vec<Key>, StoreError> {
    let all = request.states.is_empty() || request.states.contains(&State::Completed);
    if all || keys.is_empty() {
        return Ok(keys);
    }
    let mut commands = Pipeline::with_capacity(keys.len());
    for (key, _) in &keys {
        commands.cmd("GETRANGE").arg(key).arg(OUTCOME_AT).arg(OUTCOME_AT);
    }
    let outcomes = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
    // An error of one key shows again when its entry is loaded.
    let reserved = |outcome: &Value| match outcome {
        Value::BulkString(outcome) => outcome == RESERVED,
        _ => true,
    };
    let pairs = keys.into_iter().zip(outcomes);
    Ok(pairs.filter_map(|(key, outcome)| reserved(&outcome).then_some(key)).collect())
}

/// The values of keys, and how long they have left. `None` is a key that has to be asked for by itself.
async fn load_values(
    store: &Shared,
    node: &Node,
    keys: &[Key],
) -> Result<Vec<Option<Option<StoredValue>>>, StoreError> {
    // The keys of a transaction must share a slot.
    #[cfg(feature = "redis-cluster")]
    let of_one_key = store.client.has_slots();
    #[cfg(not(feature = "redis-cluster"))]
    let of_one_key = false;
    let transaction = if of_one_key { 1 } else { keys.len().max(1) };
    let mut commands = Pipeline::new();
    for keys in keys.chunks(transaction) {
        entry::push_load_all_commands(&mut commands, keys.iter().map(|(key, _)| key.as_slice()));
    }
    let answers = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
    let (mut answers, mut values) = (answers.into_iter(), Vec::with_capacity(keys.len()));
    for keys in keys.chunks(transaction) {
        let answers = answers.by_ref().take(entry::load_all_commands(keys.len()));
        values.extend(entry::parse_load_all(answers, keys.len()));
    }
    Ok(values)
}

async fn load_entries(
    store: &Shared,
    node: &Node,
    request: &Scan,
    keys: &[Key],
    page: &mut Page,
) -> Result<(), StoreError> {
    for ((key, id), stored) in keys.iter().zip(load_values(store, node, keys).await?) {
        let entry = match stored {
            Some(stored) => stored.map(|stored| entry::entry(&stored)).transpose(),
            // Its slot may have moved while the page was read, or its value is of another type.
            None => store.load(&store.keys.of(id)).await,
        };
        match entry {
            // If one store's prefix begins with another's, the key alone does not tell whose record it
            // is; the record does.
            Ok(Some(entry)) if entry.record.operation() != id.operation() => {}
            Ok(Some(entry)) if request.wants(entry.state, &entry.record) => {
                page.entries.push((id.clone(), entry));
            }
            Ok(_) => {}
            // One such key must not hide all the others.
            Err(error) if error.kind() == StoreErrorKind::Malformed => {
                tracing::warn!(record = %id, "a scan found a key whose value is not a readable record");
                let key = String::from_utf8_lossy(key);
                page.unreadable.push(Unreadable::new(Some(id.clone()), key, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
