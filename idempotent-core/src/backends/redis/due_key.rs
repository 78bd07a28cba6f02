//! The keys of the indexes of due calls, which are sorted sets: the entry of a call is its record's key without the prefix,
//! and its score the due time, in milliseconds since 1970 by the server's clock.
//!
//! Each operation has an index, so that calls which nobody resumes hide no others: `idem:due{shop.checkout}`. In a cluster
//! a record has a slot of its own, and its index must be there too, so that one script writes both. So each operation has
//! an index for each slot: `idem:due{aB3}shop.checkout`, where `aB3` is the slot's [tag](tag_of).

#[cfg(feature = "redis-cluster")]
use redis::RedisResult;

use super::connection::Node;
#[cfg(feature = "redis-cluster")]
use super::connection::{SLOTS, SlotRange, slot_of, tag_of, tags_of};
#[cfg(feature = "redis-cluster")]
use super::error::store_error;
use super::key::Keys;
use super::shared::Shared;
use crate::model::RecordId;
use crate::store::StoreError;

/// In how many parts the indexes of a cluster are looked through.
pub(super) const PARTS: u32 = 16;

/// What the name of an index begins with.
const INDEX: &str = "due{";

/// The indexes on one server.
pub(super) struct Indexes {
    pub(super) node: Node,
    /// The keys that the script is given.
    pub(super) keys: Vec<String>,
    /// In a cluster, what it makes keys of in their place: what comes before a slot's tag, the tags, and what comes after
    /// it for each operation.
    pub(super) tagged: Vec<String>,
}

impl Keys {
    /// The key of the index that a call is in, by its record's key.
    pub(super) fn due_of(&self, id: &RecordId, key: &str) -> String {
        #[cfg(feature = "redis-cluster")]
        if self.are_by_slot() {
            let (prefix, tag, operation) = (self.prefix(), tag_of(slot_of(key)), id.operation());
            return format!("{prefix}{INDEX}{tag}}}{operation}");
        }
        let _ = key;
        self.index_of(id.operation())
    }

    /// The index of an operation, where all keys have one slot.
    fn index_of(&self, operation: &str) -> String {
        format!("{}{INDEX}{operation}}}", self.prefix())
    }

    /// The entry of a call in its index.
    pub(super) fn due_entry<'k>(&self, key: &'k str) -> &'k str {
        key.strip_prefix(self.prefix()).unwrap_or(key)
    }

    /// The id of the call of an entry.
    pub(super) fn id_of_entry(&self, entry: &str) -> Option<RecordId> {
        self.id(format!("{}{entry}", self.prefix()).as_bytes())
    }
}

/// Where the calls of some operations may be due: in one part of the indexes, or anywhere.
#[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
pub(super) async fn indexes(
    store: &Shared,
    operations: &[&str],
    part: Option<u32>,
) -> Result<Vec<Indexes>, StoreError> {
    #[cfg(feature = "redis-cluster")]
    if store.keys.are_by_slot() {
        return by_slot(store, operations, part).await;
    }
    if operations.is_empty() {
        return Ok(Vec::new());
    }
    let keys = operations.iter().map(|operation| store.keys.index_of(operation)).collect();
    Ok(vec![Indexes { node: Node::Only, keys, tagged: Vec::new() }])
}

/// Those of every primary, by its slots, at most a part of all slots at a time.
#[cfg(feature = "redis-cluster")]
async fn by_slot(
    store: &Shared,
    operations: &[&str],
    part: Option<u32>,
) -> Result<Vec<Indexes>, StoreError> {
    const IN_A_PART: u16 = (SLOTS / PARTS as usize) as u16;
    let mut found = Vec::new();
    for range in slots(store).await.map_err(store_error)? {
        for at in range.first / IN_A_PART..=range.last / IN_A_PART {
            if part.is_some_and(|part| part % PARTS != u32::from(at)) {
                continue;
            }
            let first = range.first.max(at * IN_A_PART);
            let last = range.last.min(at * IN_A_PART + (IN_A_PART - 1));
            let mut tagged =
                vec![format!("{}{INDEX}", store.keys.prefix()), tags_of(first, last).to_owned()];
            tagged.extend(operations.iter().map(|operation| format!("}}{operation}")));
            found.push(Indexes { node: range.primary.clone(), keys: Vec::new(), tagged });
        }
    }
    Ok(found)
}

/// Which primary may have which slots. The application's own connection does not tell: there each primary is asked for
/// all of them, and leaves out those of others.
#[cfg(feature = "redis-cluster")]
async fn slots(store: &Shared) -> RedisResult<Vec<SlotRange>> {
    if let Some(ranges) = store.client.slot_ranges().await? {
        return Ok(ranges);
    }
    let primaries = store.client.primaries().await?.into_iter();
    let last = (SLOTS - 1) as u16;
    Ok(primaries.map(|primary| SlotRange { first: 0, last, primary }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::redis::key::{HASH_CHARS, journal_of};

    #[test]
    fn an_entry_leads_back_to_its_call_and_an_index_is_no_record() {
        let digits = "a".repeat(HASH_CHARS);
        for name in ["shop::charge", "a", "a:", &digits, &format!("a:{digits}")] {
            for prefix in ["idem:", "", "{shop}:"] {
                let (keys, id) = (
                    Keys::new(prefix.to_owned()),
                    RecordId::of(name.to_owned(), None, &42).unwrap(),
                );
                let key = keys.of(&id);
                assert_eq!(keys.id_of_entry(keys.due_entry(&key)), Some(id.clone()));
                let index = keys.due_of(&id, &key);
                assert_eq!(keys.id(index.as_bytes()), None, "{index}");
                assert!(index.starts_with(prefix));
                assert_ne!(index, journal_of(&key));
            }
        }
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn an_index_has_the_slot_of_its_calls() {
        use redis::cluster_routing::Slot;

        for prefix in ["idem:", "", "{shop}:", "a{b}c{"] {
            let keys = Keys::new(prefix.to_owned()).in_cluster();
            for n in 0..200_u32 {
                let id = RecordId::of("shop::charge", None, &n).unwrap();
                let key = keys.of(&id);
                let index = keys.due_of(&id, &key);
                assert_eq!(Slot::for_key(&index), Slot::for_key(&key), "{index}");
                assert_eq!(keys.id(index.as_bytes()), None, "{index}");
            }
        }
    }
}
