//! The sweeper: removes what is over, a batch at a time, beside the calls and never in their way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use super::error::store_error;
use super::link::{Question, Repeat};
use super::{Shared, report, scan};
use crate::store::StoreError;
use crate::store::poll::jittered;

/// How many records a statement removes at most: few enough that no commit is a long one.
const BATCH: u64 = 500;

/// Between two batches, for the calls.
const SHORTEST_REST: Duration = Duration::from_millis(20);

/// How many times as long as a batch took the rest after it is. A sweeper that never rests has a share of
/// the server like any caller; this one has a tenth of that.
const RESTS_OF_A_BATCH: u32 = 9;

/// How long a batch may take. Nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// What sweeps one store, if it is wanted.
#[derive(Debug)]
pub(super) struct Sweeper {
    every: Option<Duration>,
    is_started: AtomicBool,
    /// Whether it has been stopped for good. Dropped with the store, which stops it too.
    stopped: watch::Sender<bool>,
    /// Held while a batch is under way.
    at_work: Mutex<()>,
}

impl Sweeper {
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self {
            every: every.map(|every| every.max(SHORTEST_PAUSE)),
            is_started: AtomicBool::new(false),
            stopped: watch::Sender::new(false),
            at_work: Mutex::new(()),
        }
    }

    /// Begins no further batch, and returns when none is under way any more.
    pub(super) async fn stop(&self) {
        self.stopped.send_replace(true);
        drop(self.at_work.lock().await);
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

/// Sweeps from now on, if that is wanted and has not begun yet.
pub(super) fn start(store: &Arc<Shared>) {
    let sweeper = &store.sweeper;
    let Some(every) = sweeper.every else { return };
    if sweeper.is_started.load(Ordering::Relaxed) || sweeper.is_stopped() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    if !sweeper.is_started.swap(true, Ordering::AcqRel) {
        runtime.spawn(run(Sweeping(Arc::downgrade(store)), every, sweeper.stopped.subscribe()));
    }
}

/// Removes all that is over, and says how many records that were.
pub(super) async fn all(store: &Shared) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let batch = batch(store).await?;
        swept += batch.records;
        if batch.was_last {
            return Ok(swept);
        }
        sleep(batch.rest).await;
    }
}

/// Whoever sweeps. However that ends, a runtime that goes away included, another may begin.
struct Sweeping(Weak<Shared>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(store) = self.0.upgrade() {
            store.sweeper.is_started.store(false, Ordering::Release);
        }
    }
}

async fn run(sweeping: Sweeping, every: Duration, mut stopped: watch::Receiver<bool>) {
    let mut pause = jittered(every);
    loop {
        // It ends with the store, too.
        if timeout(pause, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
            return;
        }
        let Some(store) = sweeping.0.upgrade() else { return };
        let _at_work = store.sweeper.at_work.lock().await;
        if store.sweeper.is_stopped() {
            return;
        }
        pause = match batch(&store).await {
            Ok(batch) if !batch.was_last => batch.rest,
            Ok(_) => jittered(every),
            Err(error) => {
                tracing::debug!(%error, "what is over could not be swept now");
                jittered(every)
            }
        };
    }
}

struct Batch {
    records: u64,
    was_last: bool,
    /// Until the next one.
    rest: Duration,
}

/// Removes some of what is over.
async fn batch(store: &Shared) -> Result<Batch, StoreError> {
    let start = Instant::now();
    let completed = remove(store, &store.statements.sweep).await?;
    let completed: i64 =
        completed.first().map_or(Ok(0), |row| row.try_get(0)).map_err(store_error)?;
    let unfinished = remove(store, &store.statements.sweep_unfinished).await?;
    unfinished.iter().try_for_each(tell)?;
    let (completed, unfinished) = (completed.unsigned_abs(), unfinished.len() as u64);
    let rest = (start.elapsed() * RESTS_OF_A_BATCH).max(SHORTEST_REST);
    Ok(Batch { records: completed + unfinished, was_last: completed.max(unfinished) < BATCH, rest })
}

async fn remove(store: &Shared, statement: &sqlx::SqlStr) -> Result<Vec<PgRow>, StoreError> {
    let question = || Question::new(statement).bind(BATCH as i64);
    let deadline = Instant::now() + PATIENCE;
    store.link.ask_until(question, Repeat::Yes, deadline).await.map_err(store_error)
}

/// Tells of a record that nobody resolved.
fn tell(row: &PgRow) -> Result<(), StoreError> {
    let operation: Option<&str> = row.try_get("operation").map_err(store_error)?;
    let hash: &[u8] = row.try_get("id").map_err(store_error)?;
    if let Some(id) = operation.and_then(|operation| scan::id(operation, hash)) {
        report::retention_ended(&id);
    }
    Ok(())
}
