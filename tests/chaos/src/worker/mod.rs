//! A worker process: the same executable with other arguments.
//!
//! It connects, warms up, and then does what it is told on its standard input, one instruction a line,
//! until that is closed: a worker never outlives the run that started it.

mod application;
mod endpoint;
mod load;
mod operation;
mod probe;
mod protocol;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use idempotent_core::{Guarantee, Idempotency};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use self::endpoint::{Endpoint, StoreSettings, connect};
pub(crate) use self::load::Load;
pub(crate) use self::protocol::{Instruction, Report};

use self::load::RunningLoad;
use self::operation::Shop;
use self::probe::Probe;
use crate::ledger::{Event, Ledger, Phase, Process};
use crate::resources;
use crate::timestamp::Timestamp;

/// What a worker is, for as long as it lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Assignment {
    /// Its number.
    pub(crate) process: Process,
    /// Where the store is, and how to use it.
    pub(crate) store_settings: StoreSettings,
    /// Whether the guarantee is *at most once*.
    pub(crate) at_most_once: bool,
    /// How long a reservation outlives its owner.
    pub(crate) lease: Duration,
    /// How many keys there are.
    pub(crate) keys: u32,
    /// Where its draws begin.
    pub(crate) seed: u64,
    /// How many operations it runs at once.
    pub(crate) tasks: usize,
    /// The longest that a body takes.
    pub(crate) longest_body: Duration,
    /// The folder of the ledgers.
    pub(crate) folder: PathBuf,
}

impl Assignment {
    fn guarantee(&self) -> Guarantee {
        if self.at_most_once { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce }
    }
}

/// Lives the life of a worker.
pub(crate) fn main(assignment: &str) -> Result<()> {
    // One that stands still does not see its input close.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let assignment: Assignment = serde_json::from_str(assignment).context("the assignment")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let lived = runtime.block_on(live(assignment));
    // Whatever still runs, an answer that never comes for instance, ends with the process.
    runtime.shutdown_background();
    lived
}

async fn live(assignment: Assignment) -> Result<()> {
    let ledger = Arc::new(Ledger::open(&assignment.folder, assignment.process)?);
    let (store, application) = connect(&assignment.store_settings).await?;
    let engine =
        Idempotency::builder(store).store_timeout(assignment.store_settings.timeout).build();
    let shop = Arc::new(Shop::new(engine, Arc::clone(&ledger), &assignment));
    shop.warm_up(assignment.tasks).await;
    let before = resources::now();
    Report::Ready.send()?;

    let mut instructions = BufReader::new(tokio::io::stdin()).lines();
    let mut loading: Option<RunningLoad> = None;
    let mut disturbances = JoinSet::new();
    let mut probe = Probe::new(Arc::clone(&shop), &assignment);
    while let Some(line) = instructions.next_line().await? {
        match serde_json::from_str(&line)? {
            Instruction::Load(load) => {
                loading = Some(load.begin(Arc::clone(&shop), &assignment));
            }
            Instruction::Disturb { fault, lasts, seed } => {
                let (application, ledger) = (application.clone(), Arc::clone(&ledger));
                disturbances.spawn(async move {
                    let from = Timestamp::now();
                    let disturbance = application.disturb(fault, lasts, seed).await;
                    if disturbance.held > 0 {
                        ledger.write(&Event::PoolHeld(from, Timestamp::now()))?;
                    }
                    ledger.write(&Event::Disturbance(disturbance))
                });
            }
            Instruction::Stop => {
                while let Some(ended) = disturbances.join_next().await {
                    ended??;
                }
                if let Some(loading) = loading.take() {
                    loading.stop().await?;
                }
                // Bodies whose callers went away are still running. A key that one of them holds is not
                // stuck.
                let patience = assignment.longest_body + assignment.store_settings.timeout;
                if timeout(patience, shop.engine.drain()).await.is_ok() {
                    resources::settled(before.tasks, patience).await;
                }
                Report::Stopped.send()?;
            }
            Instruction::Probe => {
                probe.every_key(Phase::Probe).await?;
                Report::Probed.send()?;
            }
            Instruction::Resolve { processes } => {
                probe.resolve(processes).await?;
                Report::Resolved.send()?;
            }
            Instruction::ProbeAgain => {
                probe.indeterminate_keys().await?;
                Report::Probed.send()?;
            }
            Instruction::Quit => {
                let after = resources::settled(before.tasks, Duration::from_secs(2)).await;
                ledger.write(&Event::ResourceUsage { before, after })?;
                return Ok(());
            }
        }
    }
    Ok(())
}
