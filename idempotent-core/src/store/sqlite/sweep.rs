//! Sweeping: what is over goes, a few rows at a time, so that nobody waits long for the file.

use std::sync::Weak;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlStr};
use tokio::time::{sleep, timeout};

use super::error::store_error;
use super::link::ask;
use super::report::retention_ended;
use super::shared::{Shared, Stopped};
use super::writer::Write;
use crate::store::StoreError;
use crate::store::poll::jittered;

/// Rows that one step removes.
const BATCH: usize = 200;

/// Others come in between.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a purge is told of, in milliseconds. Who was away for longer forgets all copies.
const TOLD_FOR: i64 = 10 * 60 * 1000;

/// Sweeps now and then, until the store is closed or dropped.
pub(super) async fn run(store: Weak<Shared>, every: Duration, mut stopped: Stopped) {
    while timeout(jittered(every), stopped.wait()).await.is_err() {
        let Some(store) = store.upgrade() else { return };
        match sweep(&store).await {
            Ok(rows) => tracing::debug!(rows, "swept what is over"),
            Err(_) if store.is_stopped() => return,
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is over could not be swept; the next sweep tries again"
            ),
        }
    }
}

/// Removes everything that is over, and says how many records that were.
pub(super) async fn sweep(store: &Shared) -> Result<u64, StoreError> {
    let mut swept = 0;
    for over in [&store.statements.over_completed, &store.statements.over_unfinished] {
        swept += sweep_all(store, over).await?;
    }
    store.link.change(ask(&store.statements.sweep_purges).bind(TOLD_FOR)).await?;
    Ok(swept)
}

/// Finds rows without the file's lock, which the search may take long for, and removes those that are
/// still over.
async fn sweep_all(store: &Shared, over: &SqlStr) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let found = store.link.read(ask(over).bind(BATCH as i64)).await?;
        if found.is_empty() {
            return Ok(swept);
        }
        let sweep = ask(&store.statements.sweep).bind(list(&found)?);
        let gone = store.link.write(Write::new().and_answer(sweep)).await?.rows;
        for row in &gone {
            report(row)?;
        }
        swept += gone.len() as u64;
        if found.len() < BATCH || store.is_stopped() {
            return Ok(swept);
        }
        sleep(PAUSE).await;
    }
}

/// The numbers of the rows, as JSON.
fn list(rows: &[SqliteRow]) -> Result<String, StoreError> {
    let numbers = rows.iter().map(|row| row.try_get::<i64, _>(0).map(|number| number.to_string()));
    let numbers = numbers.collect::<Result<Vec<_>, _>>().map_err(store_error)?;
    Ok(format!("[{}]", numbers.join(",")))
}

/// What a lapse under *at least once* left behind is nothing to tell of.
fn report(row: &SqliteRow) -> Result<(), StoreError> {
    let is_unresolved: bool = row.try_get(0).map_err(store_error)?;
    let operation: &str = row.try_get(1).map_err(store_error)?;
    let id: &[u8] = row.try_get(2).map_err(store_error)?;
    if let (true, Ok(hash)) = (is_unresolved, id.try_into()) {
        retention_ended(operation, hash);
    }
    Ok(())
}
