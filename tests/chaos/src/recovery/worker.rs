//! A worker process: begins its share of the calls, each once, and runs a recovery until it is ended.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use idempotent_core::{ErrorKind, Idempotency};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::judge::judge;
use super::ledger::Ledger;
use super::order::{Code, Order, Shop};
use super::probe::probe;
use crate::timestamp::Timestamp;
use crate::worker::{StoreSettings, connect};

/// The longest pause of a recovery.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// What a worker is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) process: u32,
    pub(super) store_settings: StoreSettings,
    pub(super) lease: Duration,
    pub(super) folder: PathBuf,
    pub(super) code: Code,
    /// How long a step that the journal does not know waits for those that it does.
    pub(super) step_patience: Duration,
    pub(super) task: Task,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Begin every `of`-th call, evenly over this time.
    Begin { slot: u32, of: u32, orders: u32, from: Timestamp, until: Timestamp },
    /// Wait until all have ended.
    Judge { orders: u32, within: Duration },
}

pub(crate) fn main(assignment: &str) -> Result<()> {
    // One that stands still does not see its input close.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let assignment: Assignment = serde_json::from_str(assignment).context("the assignment")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let lived = runtime.block_on(live(assignment));
    runtime.shutdown_background();
    lived
}

async fn live(assignment: Assignment) -> Result<()> {
    let Assignment { process, store_settings, lease, folder, code, step_patience, task } =
        assignment;
    let (store, _application) = connect(&store_settings).await?;
    let engine = Idempotency::builder(store)
        .store_timeout(store_settings.timeout)
        .resume_backoff(Duration::from_millis(100), LONGEST_BACKOFF)
        .step_patience(step_patience)
        .build();
    let ledger = Arc::new(Ledger::open(&folder, process)?);
    let shop = Shop { engine, ledger, lease, code };
    match task {
        Task::Begin { slot, of, orders, from, until } => {
            let running = shop.recovery().start()?;
            let (engine, at) = (shop.engine.clone(), folder.clone());
            tokio::spawn(async move { probe(engine, &at, process).await });
            begin(&shop, &folder, slot, (from, until), (slot..orders).step_by(of as usize)).await?;
            // Until its input is closed.
            tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
            drop(running);
        }
        // It only looks: a recovery of its own could hide that no worker's finds the calls.
        Task::Judge { orders, within } => judge(&shop, &folder, orders, within).await?,
    }
    Ok(())
}

/// The file of the calls that a slot has begun, whatever process it had.
fn begun_path(folder: &Path, slot: u32) -> PathBuf {
    folder.join(format!("begun-{slot}"))
}

/// How many calls a slot has begun.
pub(super) fn begun(folder: &Path, slot: u32) -> usize {
    fs::read_to_string(begun_path(folder, slot)).map_or(0, |begun| begun.lines().count())
}

/// Begins those that no earlier process of this slot has, each when it is time.
async fn begin(
    shop: &Shop,
    folder: &Path,
    slot: u32,
    (from, until): (Timestamp, Timestamp),
    orders: impl ExactSizeIterator<Item = u32>,
) -> Result<()> {
    let (count, known) = (orders.len().max(1), begun(folder, slot));
    let mut file = OpenOptions::new().append(true).create(true).open(begun_path(folder, slot))?;
    let mut running = JoinSet::new();
    for (at, number) in orders.enumerate().skip(known) {
        from.after(until.since(from).mul_f64(at as f64 / count as f64)).reached().await;
        // From here on it is the recovery's, if its call is there. A process that dies between two writes would glue the
        // next one's line to its own.
        let line = format!("{number}\n");
        ensure!(file.write(line.as_bytes())? == line.len(), "the line of {number} was cut off");
        let shop = shop.clone();
        running.spawn(async move {
            // A client asks again until somebody has taken its order.
            while let Err(error) = shop.order(Order { number }).await {
                if error.kind() != ErrorKind::Store {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
    }
    while running.join_next().await.is_some() {}
    Ok(())
}
