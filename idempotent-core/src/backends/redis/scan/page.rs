//! One page of a scan: `SCAN` on one primary after the other, and the entry of each key that it finds.

use redis::{Pipeline, Value};

use super::ahead::begin;
use super::in_doubt::Looked;
use super::loading::{Key, load, wants_completed};
use super::position::ScanPosition;
use crate::backends::redis::connection::Node;
use crate::backends::redis::entry::{OUTCOME_AT, RESERVED};
use crate::backends::redis::error::store_error;
use crate::backends::redis::shared::Shared;
use crate::model::RecordId;
use crate::store::{Page, Scan, StoreError};

/// How many keys a server examines in one step, at least and at most.
const SMALLEST_STEP: usize = 10;
const LARGEST_STEP: usize = 1000;

/// A page ends after this many steps, even if they found nothing.
const MAX_STEPS: usize = 20;

/// What one `SCAN` found, and where the next one goes on.
struct Step {
    /// Who was asked; `None` behind the last primary.
    node: Option<Node>,
    keys: Vec<Key>,
    position: ScanPosition,
}

pub(in crate::backends::redis) async fn scan(
    store: &Shared,
    request: &Scan,
) -> Result<Page, StoreError> {
    let primaries = store.client.primaries().await.map_err(store_error)?;
    let position = ScanPosition::new(request.cursor.as_ref(), primaries)?;
    let glob = store.keys.glob(request.operation.as_deref(), request.hash_prefix.as_ref());
    let mut count = request.limit.clamp(SMALLEST_STEP, LARGEST_STEP);
    let (mut found, mut looked) = (Page::new(Vec::new(), None), Looked::default());
    let limit = request.limit.max(1);
    let mut step = take_step(store, request, &glob, count, position).await?;
    for steps in 1.. {
        let Step { node: Some(node), keys, position } = step else { break };
        let keys = without_completed(store, &node, request, keys).await?;
        if keys.is_empty() {
            count = (count * 2).min(LARGEST_STEP);
        }
        let is_full = |entries: usize, looked: &Looked| {
            steps == MAX_STEPS || entries >= limit || looked.is_enough(limit)
        };
        // Of what is in doubt, only looking tells how long that takes.
        step = if request.in_doubt || is_full(found.entries.len() + keys.len(), &looked) {
            load(store, &node, request, keys, &mut found, &mut looked).await?;
            if is_full(found.entries.len(), &looked) {
                found.next = position.cursor();
                break;
            }
            take_step(store, request, &glob, count, position).await?
        } else {
            let next = begin(take_step(store, request, &glob, count, position)).await;
            load(store, &node, request, keys, &mut found, &mut looked).await?;
            next.await?
        };
    }
    Ok(found)
}

async fn take_step(
    store: &Shared,
    request: &Scan,
    glob: &str,
    count: usize,
    mut position: ScanPosition,
) -> Result<Step, StoreError> {
    let node = position.node().cloned();
    let keys = position.step(store, glob, count).await?;
    Ok(Step { node, keys: keys_of_records(store, request, keys), position })
}

/// The keys of records that the scan may want. The glob also matches others.
fn keys_of_records(store: &Shared, request: &Scan, keys: Vec<Vec<u8>>) -> Vec<Key> {
    let wanted = |id: &RecordId| {
        request.operation.as_deref().is_none_or(|operation| operation == id.operation())
            && request.hash_prefix.as_ref().is_none_or(|prefix| prefix.matches(id))
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
    if wants_completed(request) || keys.is_empty() {
        return Ok(keys);
    }
    let mut commands = Pipeline::with_capacity(keys.len());
    for (key, _) in &keys {
        commands.cmd("GETRANGE").arg(key).arg(OUTCOME_AT).arg(OUTCOME_AT);
    }
    let outcomes = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
    // An error of one key shows again when its entry is loaded.
    let reserved = |outcome: &Value| match outcome {
        Value::BulkString(outcome) => outcome == &[RESERVED],
        _ => true,
    };
    let pairs = keys.into_iter().zip(outcomes);
    Ok(pairs.filter_map(|(key, outcome)| reserved(&outcome).then_some(key)).collect())
}
