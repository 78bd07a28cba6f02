//! Asking the store when a record expires, in a background task.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::inner::Inner;
use crate::model::RecordId;
use crate::store::{State, Store};

/// How long the store may take to answer.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// One record that is being loaded, until this is dropped.
struct LoadExpiry<S> {
    inner: Arc<Inner<S>>,
    id: RecordId,
}

/// Spawns a task that loads a record and keeps it with its expiry, unless that record is being
/// loaded already or too many others are. Does nothing outside of a runtime.
pub(super) fn spawn<S: Store>(inner: &Arc<Inner<S>>, id: &RecordId) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if inner.loading.begin(id.hash()) {
        let load = LoadExpiry { inner: Arc::clone(inner), id: id.clone() };
        runtime.spawn(load.run());
    }
}

impl<S: Store> LoadExpiry<S> {
    async fn run(self) {
        let Inner { store, copies, .. } = &*self.inner;
        let hash = self.id.hash();
        let snapshot = copies.snapshot(hash);
        // An error is left for the engine's next call to report.
        let Ok(Ok(Some(entry))) = timeout(LOAD_TIMEOUT, store.load(&self.id)).await else {
            return;
        };
        if entry.state != State::Completed {
            return;
        }
        match entry.remaining {
            Some(remaining) => copies.insert(hash, &entry.record, remaining, snapshot),
            None => copies.insert_unknown_expiry(hash, snapshot),
        }
    }
}

impl<S> Drop for LoadExpiry<S> {
    fn drop(&mut self) {
        self.inner.loading.end(self.id.hash());
    }
}
