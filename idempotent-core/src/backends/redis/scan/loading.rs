//! The entries of the keys of one step: a few at a time, so that large ones do not fill the memory, the next of which the
//! server reads while these are dealt with.

use redis::Pipeline;

use super::ahead::{Ahead, begin};
use super::in_doubt::{Looked, leave_out_settled};
use crate::backends::redis::connection::Node;
use crate::backends::redis::entry::{self, StoredValue};
use crate::backends::redis::error::store_error;
use crate::backends::redis::shared::Shared;
use crate::model::RecordId;
use crate::store::{Page, Scan, State, StoreError, StoreErrorKind, Unreadable};

/// About how many bytes are loaded at once.
const BYTES_AT_ONCE: usize = 1 << 20;

/// How many values are loaded at once: before it is known how large they are, and at most.
const FIRST: usize = 4;
const MOST: usize = 512;

/// A key as the server has it, and the id that it stands for.
pub(super) type Key = (Vec<u8>, RecordId);

/// A value and its time, that there is none, or `None` for a key that has to be asked for by itself.
type Loaded = Option<Option<StoredValue>>;

/// Keys, and what stands under them.
type Portion = (Vec<Key>, Vec<Loaded>);

/// How many keys to load next, by the size of what was loaded.
#[derive(Debug)]
struct Sizes {
    keys: usize,
    bytes: usize,
}

/// Whether completed records are asked for, too.
pub(super) fn wants_completed(request: &Scan) -> bool {
    request.states.is_empty() || request.states.contains(&State::Completed)
}

/// Adds the entries of keys to a page.
pub(super) async fn load(
    store: &Shared,
    node: &Node,
    request: &Scan,
    keys: Vec<Key>,
    page: &mut Page,
    looked: &mut Looked,
) -> Result<(), StoreError> {
    let before = page.entries.len();
    load_all(store, node, request, keys, page).await?;
    if request.in_doubt {
        leave_out_settled(store, node, &mut page.entries, before, looked).await?;
    }
    Ok(())
}

async fn load_all(
    store: &Shared,
    node: &Node,
    request: &Scan,
    mut keys: Vec<Key>,
    page: &mut Page,
) -> Result<(), StoreError> {
    let mut sizes = Sizes { keys: 0, bytes: 0 };
    let mut ahead: Option<Ahead<'_, Result<Portion, StoreError>>> = None;
    loop {
        let (portion, loaded) = match ahead.take() {
            Some(ahead) => ahead.await?,
            None if keys.is_empty() => return Ok(()),
            None => load_values(store, node, request, sizes.take(&mut keys)).await?,
        };
        sizes.add(&loaded);
        if !keys.is_empty() {
            let next = load_values(store, node, request, sizes.take(&mut keys));
            ahead = Some(begin(next).await);
        }
        for ((key, id), stored) in portion.into_iter().zip(loaded) {
            add(store, request, &key, id, stored, page).await?;
        }
    }
}

impl Sizes {
    fn add(&mut self, loaded: &[Loaded]) {
        let values = loaded.iter().flatten().flatten();
        self.bytes += values.map(|stored| stored.value.len()).sum::<usize>();
        self.keys += loaded.len();
    }

    /// Takes the next keys.
    fn take(&self, keys: &mut Vec<Key>) -> Vec<Key> {
        let rest = keys.split_off(self.next().min(keys.len()));
        std::mem::replace(keys, rest)
    }

    fn next(&self) -> usize {
        match self.keys {
            0 => FIRST,
            keys => (BYTES_AT_ONCE / (self.bytes / keys).max(1)).clamp(1, MOST),
        }
    }
}

/// The values of keys, and how long they have left. A reservation must be loaded with its time in one moment; a completed
/// record stays as it is, which is cheaper.
async fn load_values(
    store: &Shared,
    node: &Node,
    request: &Scan,
    keys: Vec<Key>,
) -> Result<Portion, StoreError> {
    if !wants_completed(request) {
        let loaded = load_at_once(store, node, &keys).await?;
        return Ok((keys, loaded));
    }
    let share_a_slot = !has_slots(store);
    let commands = entry::read_all_commands(&keys, share_a_slot);
    let answers = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
    let mut loaded = entry::parse_read_all(answers, keys.len(), share_a_slot);
    let open = keys.iter().zip(&loaded).filter(|(_, loaded)| loaded.is_none());
    let open: Vec<Key> = open.map(|(key, _)| key.clone()).collect();
    if !open.is_empty() {
        let again = load_at_once(store, node, &open).await?;
        for (loaded, again) in loaded.iter_mut().filter(|it| it.is_none()).zip(again) {
            *loaded = again;
        }
    }
    Ok((keys, loaded))
}

/// The values of keys, each with the time that it has left at that moment.
async fn load_at_once(
    store: &Shared,
    node: &Node,
    keys: &[Key],
) -> Result<Vec<Loaded>, StoreError> {
    // The keys of a transaction must share a slot.
    let transaction = if has_slots(store) { 1 } else { keys.len().max(1) };
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

/// Whether different keys may have different primaries.
#[cfg(feature = "redis-cluster")]
fn has_slots(store: &Shared) -> bool {
    store.client.has_slots()
}

#[cfg(not(feature = "redis-cluster"))]
const fn has_slots(_: &Shared) -> bool {
    false
}

/// Adds an entry, or what cannot be read, to a page.
async fn add(
    store: &Shared,
    request: &Scan,
    key: &[u8],
    id: RecordId,
    stored: Loaded,
    page: &mut Page,
) -> Result<(), StoreError> {
    let entry = match stored {
        Some(stored) => stored.map(|stored| entry::entry(&stored)).transpose(),
        // Its slot may have moved while the page was read, or its value is of another type.
        None => store.load(&store.keys.of(&id)).await,
    };
    match entry {
        // If one store's prefix begins with another's, the key alone does not tell whose record it
        // is; the record does.
        Ok(Some(entry)) if entry.record.operation() != id.operation() => {}
        Ok(Some(entry)) if request.wants(entry.state, &entry.record) => {
            page.entries.push((id, entry));
        }
        Ok(_) => {}
        // One such key must not hide all the others.
        Err(error) if error.kind() == StoreErrorKind::Malformed => {
            tracing::warn!(record = %id, "a scan found a key whose value is not a readable record");
            let key = String::from_utf8_lossy(key);
            page.unreadable.push(Unreadable::new(Some(id), key, "").because_of(&error));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_size(bytes: usize) -> Loaded {
        Some(Some(StoredValue { value: vec![0; bytes], pttl: 1 }))
    }

    #[test]
    fn as_many_are_loaded_at_once_as_are_about_a_mebibyte() {
        let mut sizes = Sizes { keys: 0, bytes: 0 };
        assert_eq!(sizes.next(), FIRST);
        sizes.add(&[of_size(64 << 10), of_size(64 << 10), None, Some(None)]);
        assert_eq!(sizes.next(), 32);
        sizes.add(&[of_size(16 << 20)]);
        assert_eq!(sizes.next(), 1);
        let mut sizes = Sizes { keys: 0, bytes: 0 };
        sizes.add(&[of_size(100), Some(None)]);
        assert_eq!(sizes.next(), MOST);
    }
}
