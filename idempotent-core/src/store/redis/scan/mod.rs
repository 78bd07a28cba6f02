//! Scanning: `SCAN` on one primary after the other, and a look at each key that it finds.

mod place;

use redis::{Pipeline, Value};

use self::place::Place;
use super::Shared;
use super::error::store_error;
use super::link::Node;
use super::look::{self, ANSWERS};
use crate::record::RecordId;
use crate::store::{Entry, Page, Scan, State, StoreError, StoreErrorKind};

/// How many keys a server looks at in one step, at least and at most.
const SMALLEST_STEP: usize = 10;
const LARGEST_STEP: usize = 1000;

/// A page ends after so many steps, also when they found nothing.
const STEPS: usize = 20;

/// How many values are on their way at once: each may be as large as the engine's limit.
const AT_ONCE: usize = 64;

/// The byte of a record that says how far its call has come, and what it is in a reservation.
const OUTCOME_AT: isize = 1;
const RESERVED: &[u8] = &[0];

type Key = (Vec<u8>, RecordId);

pub(super) async fn scan(store: &Shared, request: &Scan) -> Result<Page, StoreError> {
    let primaries = store.link.primaries().await.map_err(store_error)?;
    let mut place = Place::of(request.cursor.as_ref(), primaries)?;
    let glob = store.keys.glob(request.operation.as_deref());
    let mut count = request.limit.clamp(SMALLEST_STEP, LARGEST_STEP);
    let mut entries = Vec::new();
    for _ in 0..STEPS {
        let Some(node) = place.node().cloned() else { break };
        let keys = ours(store, request, place.step(store, &glob, count).await?);
        let keys = unless_completed(store, &node, request, keys).await?;
        if keys.is_empty() {
            count = (count * 2).min(LARGEST_STEP);
        }
        for keys in keys.chunks(AT_ONCE) {
            look_at(store, &node, request, keys, &mut entries).await?;
        }
        if entries.len() >= request.limit.max(1) {
            break;
        }
    }
    Ok(Page::new(entries, place.cursor()))
}

/// The keys that are of records the scan may want: the glob lets others pass.
fn ours(store: &Shared, request: &Scan, keys: Vec<Vec<u8>>) -> Vec<Key> {
    let wanted = |id: &RecordId| {
        request.operation.as_deref().is_none_or(|operation| operation == id.operation())
    };
    keys.into_iter()
        .filter_map(|key| store.keys.id(&key).filter(wanted).map(|id| (key, id)))
        .collect()
}

/// A scan that wants no completed records does not read them either: most records are, and they
/// are the large ones.
async fn unless_completed(
    store: &Shared,
    node: &Node,
    request: &Scan,
    keys: Vec<Key>,
) -> Result<Vec<Key>, StoreError> {
    let all = request.states.is_empty() || request.states.contains(&State::Completed);
    if all || keys.is_empty() {
        return Ok(keys);
    }
    let mut questions = Pipeline::with_capacity(keys.len());
    for (key, _) in &keys {
        questions.cmd("GETRANGE").arg(key).arg(OUTCOME_AT).arg(OUTCOME_AT);
    }
    let outcomes = store.link.read_node(node, &questions).await.map_err(store_error)?;
    // An error of one key is for the look at it to tell.
    let reserved = |outcome: &Value| match outcome {
        Value::BulkString(outcome) => outcome == RESERVED,
        _ => true,
    };
    let pairs = keys.into_iter().zip(outcomes);
    Ok(pairs.filter_map(|(key, outcome)| reserved(&outcome).then_some(key)).collect())
}

async fn look_at(
    store: &Shared,
    node: &Node,
    request: &Scan,
    keys: &[Key],
    entries: &mut Vec<(RecordId, Entry)>,
) -> Result<(), StoreError> {
    let mut questions = Pipeline::with_capacity(keys.len() * ANSWERS);
    for (key, _) in keys {
        look::push_question(&mut questions, key);
    }
    let answers = store.link.read_node(node, &questions).await.map_err(store_error)?;
    let mut answers = answers.into_iter();
    for (_, id) in keys {
        let answers: Vec<Value> = answers.by_ref().take(ANSWERS).collect();
        let entry = match look::found(answers) {
            Ok(found) => found.map(|(value, left)| look::entry(&value, left)).transpose(),
            // Its slot may have moved while the page was read.
            Err(_) => store.look(&store.keys.of(id)).await,
        };
        match entry {
            // Where one store's prefix begins with another's, the key alone does not tell whose
            // record it is; the record does.
            Ok(Some(entry)) if entry.record.operation() != id.operation() => {}
            Ok(Some(entry)) if request.wants(entry.state, &entry.record) => {
                entries.push((id.clone(), entry));
            }
            Ok(_) => {}
            // One such key must not hide all others from who tidies up.
            Err(error) if error.kind() == StoreErrorKind::Malformed => {
                tracing::warn!(record = %id, "a scan skips what is no readable record");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
