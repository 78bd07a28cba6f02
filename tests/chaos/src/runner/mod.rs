//! One run from its beginning to its verdict.

mod worker_process;
mod workers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use self::workers::Workers;
use crate::checker::{History, Incident, IncidentKind, Rules, Span, Verdict, check};
use crate::ledger::{self, Event, Process};
use crate::row::Row;
use crate::schedule::Schedule;
use crate::servers::Servers;
use crate::timestamp::Timestamp;
use crate::worker::{Assignment, Instruction, Load, Report, StoreSettings};

/// What the program was asked for, beside rows and seeds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The executable that is a worker when it is told to be one.
    pub program: PathBuf,
    /// Worker processes.
    pub workers: usize,
    /// Operations that each runs at once, if not the number of the row.
    pub tasks: Option<usize>,
    /// Operations of a run, if not the row's own number.
    pub operations: Option<u64>,
    /// How soon after a fault of a server every worker must be able to use it again.
    pub recovery: Duration,
    /// Keep the ledgers and the workers' logs, and say where.
    pub keep: bool,
}

/// A run that is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The row's name.
    pub row: String,
    /// Its seed.
    pub seed: u64,
    /// What the checker says.
    pub verdict: Verdict,
    /// The most records that one transaction of PostgreSQL changed, in rows that count them.
    pub largest_group: Option<u64>,
    /// How long it took.
    pub took: Duration,
    /// Where its ledgers are, if they are kept.
    pub ledgers: Option<PathBuf>,
}

/// How long a call of the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);
/// What stays reserved for a second longer than its lease is stuck.
const GRACE: Duration = Duration::from_secs(1);
/// What stores promise, on a machine that is not too busy to let them.
const RECOVERY: Duration = Duration::from_secs(2);
/// What a worker's runtime and memory may have grown by: less than one task for each operation that
/// runs at once, and what an allocator keeps.
const SPARE_TASKS: usize = 8;
const SPARE_MEMORY: u64 = 16 * 1024 * 1024;

impl Settings {
    /// The defaults, with this program as worker.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { program, workers: 4, tasks: None, operations: None, recovery: RECOVERY, keep: false }
    }
}

/// Runs a row with a seed. `tell` hears how far it is.
///
/// # Errors
///
/// When the run could not be carried out, which says nothing of the promises.
pub async fn run(
    row: &Row,
    seed: u64,
    settings: &Settings,
    tell: impl Fn(&str),
) -> Result<Outcome> {
    let began = Instant::now();
    let folder = tempfile::Builder::new().prefix("chaos-").tempdir()?;
    let schedule = Schedule::draw(row, seed, settings.workers);
    tell("starting servers");
    let servers = Servers::start(row.topology, folder.path()).await?;
    tell("starting workers");
    let history = carry_out(row, seed, &schedule, settings, (&servers, folder.path()), &tell).await;
    let largest_group = servers.largest_group().await;
    drop(servers);
    let ledgers = settings.keep.then(|| folder.keep());
    let kept = ledgers.as_deref().map_or_else(String::new, |at| format!(" in {}", at.display()));
    let history = history.with_context(|| format!("{} with seed {seed}{kept}", row.name))?;
    tell("checking");
    let verdict = check(&history, &rules(row, settings));
    let (row, took, largest_group) = (row.name.clone(), began.elapsed(), largest_group?);
    Ok(Outcome { row, seed, verdict, largest_group, took, ledgers })
}

fn rules(row: &Row, settings: &Settings) -> Rules {
    let operations = settings.operations.unwrap_or(row.operations);
    Rules {
        guarantee: row.guarantee,
        promise: row.promise,
        lease: row.lease,
        keys: row.keys,
        recovery: settings.recovery,
        disturbed: row.worker_faults.iter().any(|fault| fault.is_of_the_application()),
        spare_tasks: SPARE_TASKS,
        spare_memory: SPARE_MEMORY,
        least_results: usize::try_from(operations / 10).unwrap_or(usize::MAX),
    }
}

async fn carry_out(
    row: &Row,
    seed: u64,
    schedule: &Schedule,
    settings: &Settings,
    (servers, folder): (&Servers, &Path),
    tell: impl Fn(&str),
) -> Result<History> {
    let assignment = Assignment {
        process: 0,
        store_settings: StoreSettings {
            endpoint: servers.endpoint(),
            min_replicas: row.min_replicas,
            timeout: STORE_TIMEOUT,
        },
        at_most_once: row.guarantee == idempotent_core::Guarantee::AtMostOnce,
        lease: row.lease,
        keys: row.keys,
        seed,
        tasks: settings.tasks.unwrap_or(row.tasks),
        longest_body: row.longest_body,
        folder: folder.to_owned(),
    };
    let mut workers =
        Workers::start(servers, &settings.program, assignment, settings.workers).await?;

    tell("load and faults");
    let from = Timestamp::now();
    let until = from.after(row.load);
    let operations = settings.operations.unwrap_or(row.operations);
    workers.load(Load { from, until, operations }).await?;
    let (outages, incidents) =
        tokio::join!(disturb(servers, schedule, from), workers.disturb(&schedule.workers, from),);
    let (outages, incidents) = (outages?, incidents?);
    let faults_over = Timestamp::now();

    // What the faults held up is caught up with soon, or given up.
    let hung = finish(&mut workers, row, until.max(faults_over).after(row.load)).await?;
    tell("waiting for leases");
    faults_over.after(row.lease + GRACE).reached().await;
    tell("asking for every key");
    ask(&mut workers, row).await?;
    let processes = workers.end().await?;
    collect(folder, processes, (incidents, outages, hung))
}

/// Ends the load, and gives those that could not, which are gone then.
async fn finish(workers: &mut Workers<'_>, row: &Row, patience: Timestamp) -> Result<Vec<Process>> {
    workers.hear(Report::Done, patience.since(Timestamp::now())).await?;
    workers.say(&Instruction::Stop).await?;
    let hung = workers.hear(Report::Stopped, row.longest_body + 30 * STORE_TIMEOUT).await?;
    workers.kill_all(&hung).await?;
    Ok(hung)
}

/// Every survivor asks for every key, one after the other, and what is indeterminate is resolved.
async fn ask(workers: &mut Workers<'_>, row: &Row) -> Result<()> {
    workers.ask_each(&Instruction::Probe, Report::Probed).await?;
    if row.guarantee == idempotent_core::Guarantee::AtMostOnce {
        let processes = workers.processes();
        workers.ask_one(&Instruction::Resolve { processes }, Report::Resolved).await?;
        workers.ask_each(&Instruction::ProbeAgain, Report::Probed).await?;
    }
    Ok(())
}

/// Brings about the servers' faults, and gives when they were not as they should be.
async fn disturb(servers: &Servers, schedule: &Schedule, from: Timestamp) -> Result<Vec<Span>> {
    let mut outages = Vec::new();
    for planned in &schedule.servers {
        from.after(planned.at).reached().await;
        let began = Timestamp::now();
        let ongoing = servers.begin(planned.fault).await?;
        began.after(planned.lasts).reached().await;
        servers.end(ongoing).await?;
        outages.push(Span { from: began, to: Timestamp::now() });
    }
    Ok(outages)
}

fn collect(
    folder: &Path,
    processes: Process,
    (incidents, outages, hung): (Vec<Incident>, Vec<Span>, Vec<Process>),
) -> Result<History> {
    let mut history = History { incidents, outages, hung, ..History::default() };
    for process in 0..processes {
        for event in ledger::read(folder, process)? {
            match event {
                Event::Effect(effect) => history.effects.push(effect),
                Event::Answer(answer) => history.answers.push((process, answer)),
                Event::Disturbance(one) => history.disturbance.add(one),
                // Of consumers.
                Event::Began { .. } | Event::Settled(_) => {}
                Event::PoolHeld(from, to) => {
                    let what = IncidentKind::PoolHeld(Span { from, to });
                    history.incidents.push(Incident { process, what });
                }
                Event::ResourceUsage { before, after } => {
                    history.resources.push((process, before, after));
                }
            }
        }
    }
    Ok(history)
}
