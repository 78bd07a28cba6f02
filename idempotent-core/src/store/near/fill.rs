//! Asking the store when a record ends, in a task behind the replay that found it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::shelf::Hash;
use super::{Inner, RecordId, State, Store};

/// How many records are asked for at once: more would be no help to a store that is slow.
const MOST: usize = 64;

/// A store that has not answered by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The records that are being asked for.
#[derive(Default)]
pub(super) struct Fills(Mutex<HashSet<Hash>>);

/// One of them, until it is dropped.
struct Filling<S> {
    inner: Arc<Inner<S>>,
    id: RecordId,
}

/// Starts to fill in one record, unless that is being done already or too many others are. Outside
/// of a runtime nothing is filled in.
pub(super) fn behind<S: Store>(inner: &Arc<Inner<S>>, id: &RecordId) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if inner.fills.begin(id.hash()) {
        let filling = Filling { inner: Arc::clone(inner), id: id.clone() };
        runtime.spawn(filling.run());
    }
}

impl Fills {
    fn begin(&self, hash: &Hash) -> bool {
        let mut fills = self.lock();
        fills.len() < MOST && fills.insert(*hash)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Filling<S> {
    async fn run(self) {
        let Inner { store, shelf, .. } = &*self.inner;
        let hash = self.id.hash();
        let seen = shelf.look(hash);
        // What went wrong is for the next call of the engine to report.
        let Ok(Ok(Some(entry))) = timeout(PATIENCE, store.load(&self.id)).await else {
            return;
        };
        if entry.state != State::Completed {
            return;
        }
        match entry.remaining {
            Some(remaining) => shelf.put(hash, &entry.record, remaining, seen),
            None => shelf.put_untold(hash, seen),
        }
    }
}

impl<S> Drop for Filling<S> {
    fn drop(&mut self) {
        self.inner.fills.lock().remove(self.id.hash());
    }
}
