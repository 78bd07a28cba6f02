//! [`RecentIds`]: what a scan has returned of late.

use std::collections::HashSet;
use std::fmt;

use crate::model::RecordId;

/// So many ids are remembered at least.
const WINDOW: usize = 1 << 16;

/// Half of a hash tells records apart as well as their tokens do.
type HalfHash = [u8; 16];

/// The ids that a [scan](super::Store::scan) has returned of late, for whoever counts its records: a scan may return one more
/// than once. Redis does so while its table of keys shrinks, soon after the first time, and a cluster while it moves keys from
/// one server to another.
///
/// It remembers the last 65,536 ids, and up to twice as many, in at most 6 MiB however large the store is. What is returned
/// again after more than that is new to it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idempotent_core::Error> {
/// use idempotent_core::store::{RecentIds, Scan};
/// # use idempotent_core::{Idempotency, backends::MemoryStore};
/// # let engine = Idempotency::new(MemoryStore::new());
///
/// let (mut recent, mut records) = (RecentIds::new(), 0);
/// let mut scan = Some(Scan::all());
/// while let Some(request) = scan {
///     let page = engine.scan(&request).await?;
///     records += page.entries.iter().filter(|seen| recent.is_first(seen.id())).count();
///     scan = page.next.map(|cursor| request.after(cursor));
/// }
/// # assert_eq!(records, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RecentIds {
    window: usize,
    newer: HashSet<HalfHash>,
    older: HashSet<HalfHash>,
}

impl RecentIds {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::with_window(WINDOW)
    }

    fn with_window(window: usize) -> Self {
        Self { window, newer: HashSet::new(), older: HashSet::new() }
    }

    /// Whether an id was not returned of late. From now on it was.
    pub fn is_first(&mut self, id: &RecordId) -> bool {
        let Some(half) = id.hash().first_chunk::<16>().copied() else { return true };
        if self.older.contains(&half) || !self.newer.insert(half) {
            return false;
        }
        if self.newer.len() >= self.window {
            self.older = std::mem::take(&mut self.newer);
        }
        true
    }
}

impl Default for RecentIds {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RecentIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remembered = self.newer.len() + self.older.len();
        f.debug_struct("RecentIds").field("remembered", &remembered).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> RecordId {
        RecordId::of("shop.charge", None, &number).expect("a name and a key")
    }

    #[test]
    fn an_id_that_comes_again_soon_is_not_the_first() {
        let mut recent = RecentIds::new();
        let first: Vec<_> = [1, 2, 1, 3, 2].map(|number| recent.is_first(&id(number))).into();
        assert_eq!(first, [true, true, false, true, false]);
    }

    #[test]
    fn as_many_ids_are_remembered_as_the_window_is_long_and_at_most_twice_as_many() {
        let mut recent = RecentIds::with_window(4);
        for number in 0..100 {
            assert!(recent.is_first(&id(number)));
            assert!(recent.newer.len() + recent.older.len() <= 8);
            for earlier in number.saturating_sub(3)..=number {
                assert!(!recent.is_first(&id(earlier)), "{earlier} after {number}");
            }
        }
        assert!(recent.is_first(&id(0)), "that was long ago");
    }
}
