//! Notifying waiters and observers of purges.
//!
//! Calls of the same store notify them directly. Waiters notice the calls of other processes by polling,
//! and a background task reads the purges of other processes from the file.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::error::store_error;
use super::inner::Inner;
use super::load::load;
use super::query::query;
use crate::backends::shared::background::StopSignal;
use crate::backends::shared::notify::Hash;
use crate::store::{PurgeObserver, StoreError, StoreErrorKind, Wait};

/// How often to read the purges of other processes.
const READ_PURGES_EVERY: Duration = Duration::from_millis(100);

/// How many purges to read at once.
const BATCH: i64 = 500;

/// Waits until the reservation of that token may have ended. Never fails: a file that cannot be read
/// may be back before the waiter's time is up.
pub(super) async fn wait(store: &Arc<Inner>, request: &Wait<'_>) -> Result<(), StoreError> {
    let (shared, id) = (Arc::clone(store), request.id.clone());
    let load_entry = move || {
        let (store, id) = (Arc::clone(&shared), id.clone());
        async move { Ok(load(&store, &id).await?.entry()) }
    };
    store.notifier.wait(request, store.wait_pauses, load_entry).await
}

/// Tells an observer of purges from now on.
pub(super) fn observe_purges(store: &Arc<Inner>, observer: Weak<dyn PurgeObserver>) {
    store.notifier.observe_purges(observer);
    start_reading_purges(store);
}

/// Starts to read the purges of other processes, if anybody observes them and the task does not run yet.
pub(super) fn start_reading_purges(store: &Arc<Inner>) {
    if store.notifier.is_observed() {
        let weak = Arc::downgrade(store);
        store.purge_reader.start(&store.tasks, |stop| read_purges(EndOfReading(weak), stop));
    }
}

/// Whatever ends the task, purges are missed from then on.
struct EndOfReading(Weak<Inner>);

impl Drop for EndOfReading {
    fn drop(&mut self) {
        if let Some(store) = self.0.upgrade() {
            store.notifier.purges_missed();
        }
    }
}

/// Reads new purges again and again, until the store is closed or dropped.
async fn read_purges(store: EndOfReading, mut stop: StopSignal) {
    let mut last = None;
    loop {
        let Some(store) = store.0.upgrade() else { return };
        match read_new_purges(&store, last).await {
            Ok(read) => last = Some(read),
            // Any number of purges may be added before the file can be read again.
            Err(_) if last.is_some() => {
                last = None;
                store.notifier.purges_missed();
            }
            Err(_) => {}
        }
        drop(store);
        if !stop.sleep(READ_PURGES_EVERY).await {
            return;
        }
    }
}

/// Passes on the purges after number `last`, and returns the number of the newest one.
async fn read_new_purges(store: &Inner, last: Option<i64>) -> Result<i64, StoreError> {
    let Some(mut last) = last else {
        let rows = store.connection.read(query(&store.statements.last_purge)).await?;
        store.notifier.purges_missed();
        return rows.first().map_or(Ok(0), |row| row.try_get(0).map_err(store_error));
    };
    loop {
        let query = query(&store.statements.purges).bind(last).bind(BATCH);
        let rows = store.connection.read(query).await?;
        let numbers = rows.iter().map(number).collect::<Result<Vec<i64>, _>>()?;
        if has_gap(last, &numbers) {
            store.notifier.purges_missed();
        }
        for (row, number) in rows.iter().zip(&numbers) {
            if *number != last {
                store.notifier.purged(&hash(row)?);
            }
        }
        last = numbers.last().copied().unwrap_or(0);
        if (rows.len() as i64) < BATCH {
            return Ok(last);
        }
    }
}

/// Whether purges after `last` are not in the table any more, or the table was created anew.
fn has_gap(last: i64, numbers: &[i64]) -> bool {
    numbers.first().map_or(last != 0, |first| *first > last + 1)
}

fn number(row: &SqliteRow) -> Result<i64, StoreError> {
    row.try_get(0).map_err(store_error)
}

fn hash(row: &SqliteRow) -> Result<Hash, StoreError> {
    let bytes: &[u8] = row.try_get(1).map_err(store_error)?;
    bytes
        .try_into()
        .map_err(|_| StoreError::new(StoreErrorKind::Malformed, "the table contains an invalid id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_numbers_is_noticed() {
        assert!(!has_gap(0, &[]), "nothing was ever purged");
        assert!(!has_gap(0, &[1, 2]));
        assert!(!has_gap(7, &[7]), "nothing new");
        assert!(!has_gap(7, &[7, 8]));
        assert!(!has_gap(7, &[8]), "the seventh was removed, but is known already");
        assert!(has_gap(7, &[9]), "the eighth was removed");
        assert!(has_gap(7, &[]), "the table was created anew");
    }
}
