//! [`DueIndex`]: which calls may be due, by their time.
//!
//! A call is due if its slot says so, which whoever reads this looks at, under the lock of its shard.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::crate_items::Hash;
use super::moment::Moment;
use super::sync::{Mutex, MutexGuard};

/// Its lock is taken under that of a shard, and never the other way round.
#[derive(Debug, Default)]
pub(super) struct DueIndex(Mutex<BTreeSet<(Moment, Hash)>>);

impl DueIndex {
    /// Notes that the call of this id is due at this moment, if there is one.
    pub(super) fn note(&self, due: Option<Moment>, id: &Hash) {
        if let Some(due) = due {
            self.lock().insert((due, *id));
        }
    }

    /// The first calls that may be due now, after the last one that was seen.
    pub(super) fn first(
        &self,
        after: Option<(Moment, Hash)>,
        now: Moment,
        limit: usize,
    ) -> Vec<(Moment, Hash)> {
        let set = self.lock();
        let later = set.iter().filter(|it| after.is_none_or(|after| **it > after));
        later.take_while(|(due, _)| *due <= now).take(limit).copied().collect()
    }

    /// The same for a call that is not due at this moment any more.
    pub(super) fn remove(&self, due: Option<Moment>, id: &Hash) {
        if let Some(due) = due {
            self.lock().remove(&(due, *id));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Moment, Hash)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
