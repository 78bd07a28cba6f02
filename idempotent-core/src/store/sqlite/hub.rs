//! Who waits and who keeps copies in this process, and how the news of other processes gets here: by
//! looking at the file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::error::store_error;
use super::link::ask;
use super::{Shared, Stopped};
use crate::record::RecordId;
use crate::store::wake::{self, Hash, Looks, Observers, Waiters};
use crate::store::{Observer, StoreError, StoreErrorKind, Wait, poll};

/// How soon purges of other processes are heard of.
const HEAR_EVERY: Duration = Duration::from_millis(100);

/// How many purges are read at once.
const AT_ONCE: i64 = 500;

/// Who waits, and who hears of purges.
pub(super) struct Hub {
    waiters: Arc<Waiters>,
    observers: Observers,
    looks: Looks,
    is_listening: AtomicBool,
}

impl Hub {
    pub(super) fn new(looks: Looks) -> Self {
        Self {
            waiters: Arc::default(),
            observers: Observers::default(),
            looks,
            is_listening: AtomicBool::new(false),
        }
    }

    /// The call under an id ended, or may have.
    pub(super) fn ended(&self, id: &RecordId) {
        self.waiters.wake(id.hash());
    }

    /// A record was purged, or may have been.
    pub(super) fn purged(&self, hash: &Hash) {
        self.observers.purged(hash);
        self.waiters.wake(hash);
    }
}

/// Waits until the reservation of that token may have ended. Never fails: a file that cannot be read
/// may be back before the waiter's time is up.
pub(super) async fn wait(store: &Arc<Shared>, request: &Wait<'_>) -> Result<(), StoreError> {
    let (shared, id) = (Arc::clone(store), request.id.clone());
    let look = move || {
        let (shared, id) = (Arc::clone(&shared), id.clone());
        async move { Ok(shared.look(&id).await?.entry()) }
    };
    let Ok(runtime) = Handle::try_current() else {
        return poll::until_ended(look, request).await;
    };
    let (waiter, lookout) = store.hub.waiters.join(*request.id.hash(), request.token);
    if let Some(lookout) = lookout {
        let looks = store.hub.looks;
        runtime.spawn(wake::until_ended(lookout, request.token, looks, look, |_| ()));
    }
    let _ = timeout(request.timeout, waiter.woken()).await;
    Ok(())
}

/// Tells an observer of purges from now on.
pub(super) fn observe(store: &Arc<Shared>, observer: Weak<dyn Observer>) {
    store.hub.observers.add(observer);
    start(store);
}

/// Listens from now on, if somebody wants to hear and that has not begun yet.
pub(super) fn start(store: &Arc<Shared>) {
    let hub = &store.hub;
    if hub.is_listening.load(Ordering::Relaxed) || hub.observers.is_empty() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    if !hub.is_listening.swap(true, Ordering::AcqRel) {
        runtime.spawn(listen(Listening(Arc::downgrade(store)), store.stopped()));
    }
}

/// Whoever listens. However that ends, a runtime that goes away included, another may begin.
struct Listening(Weak<Shared>);

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(store) = self.0.upgrade() {
            store.hub.is_listening.store(false, Ordering::Release);
            store.hub.observers.missed();
        }
    }
}

/// Reads the purges that were noted, over and over, until the store is closed or dropped.
async fn listen(listening: Listening, mut stopped: Stopped) {
    let mut last = None;
    loop {
        let Some(store) = listening.0.upgrade() else { return };
        match hear(&store, last).await {
            Ok(heard) => last = Some(heard),
            // Nobody knows what is noted there meanwhile.
            Err(_) if last.is_some() => {
                last = None;
                store.hub.observers.missed();
            }
            Err(_) => {}
        }
        drop(store);
        if timeout(HEAR_EVERY, stopped.wait()).await.is_ok() {
            return;
        }
    }
}

/// Tells of the purges after `last`, and gives the number of the last one now.
async fn hear(store: &Shared, last: Option<i64>) -> Result<i64, StoreError> {
    let Some(mut last) = last else {
        let rows = store.link.read(ask(&store.statements.last_purge)).await?;
        store.hub.observers.missed();
        return rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(store_error));
    };
    loop {
        let question = ask(&store.statements.purges).bind(last).bind(AT_ONCE);
        let rows = store.link.read(question).await?;
        let numbers = rows.iter().map(number).collect::<Result<Vec<i64>, _>>()?;
        if is_missing_some(last, &numbers) {
            store.hub.observers.missed();
        }
        for (row, number) in rows.iter().zip(&numbers) {
            if *number != last {
                store.hub.purged(&hash(row)?);
            }
        }
        last = numbers.last().copied().unwrap_or(0);
        if (rows.len() as i64) < AT_ONCE {
            return Ok(last);
        }
    }
}

/// Whether there were purges after `last` that are not told any more, or the table began anew.
fn is_missing_some(last: i64, numbers: &[i64]) -> bool {
    numbers.first().map_or(last != 0, |first| *first > last + 1)
}

fn number(row: &SqliteRow) -> Result<i64, StoreError> {
    row.try_get(0).map_err(store_error)
}

fn hash(row: &SqliteRow) -> Result<Hash, StoreError> {
    let bytes: &[u8] = row.try_get(1).map_err(store_error)?;
    bytes.try_into().map_err(|_| {
        StoreError::new(StoreErrorKind::Malformed, "the table holds an id that is none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_numbers_is_noticed() {
        assert!(!is_missing_some(0, &[]), "nothing was ever purged");
        assert!(!is_missing_some(0, &[1, 2]));
        assert!(!is_missing_some(7, &[7]), "nothing new");
        assert!(!is_missing_some(7, &[7, 8]));
        assert!(!is_missing_some(7, &[8]), "the seventh was forgotten, and is known");
        assert!(is_missing_some(7, &[9]), "the eighth was forgotten");
        assert!(is_missing_some(7, &[]), "the table began anew");
    }
}
