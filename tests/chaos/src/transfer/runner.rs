//! One run: starts the server and the workers, and kills them while transfers are made.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use idempotent_core::backends::PostgresStore;
use idempotent_servers::Postgres;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::answer_log::AnswerCount;
use super::bank::{ACCOUNTS, BALANCE, TABLES};
use super::step_kills::StepKills;
use super::verdict::{Outcome, verdict};
use super::worker::Assignment;
use super::{Level, WORKER};

const LOOK: Duration = Duration::from_millis(10);

/// Longer without an answer is a run that stands still.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This program's file, which is a worker's too.
    pub program: PathBuf,
    /// How many transfers there are. Each process makes each of them.
    pub transfers: u32,
    /// Worker processes.
    pub processes: u32,
    /// Transfers that each process makes at once.
    pub tasks: u32,
    /// How often a process is killed.
    pub worker_kills: u32,
    /// How often the server is killed.
    pub server_kills: u32,
    /// How often a process is killed at a step of one of its calls, each step in its turn.
    pub step_kills: u32,
    /// Decides what the transfers are, and which faults come when.
    pub seed: u64,
}

impl Settings {
    /// 300 transfers by 4 processes with 16 tasks each; 4 kills of processes, 2 of the server, and 4 of
    /// processes at steps of their calls.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            transfers: 300,
            processes: 4,
            tasks: 16,
            worker_kills: 4,
            server_kills: 2,
            step_kills: 4,
            seed: 1,
        }
    }
}

/// Makes all transfers at one isolation level, and judges what became of them.
///
/// # Errors
///
/// When the run cannot be carried out. A promise that was broken is part of the outcome.
pub async fn run(level: Level, settings: &Settings) -> Result<Outcome> {
    let server = Postgres::builder().fsync(true);
    let server = server.arg("max_connections", "200").arg("deadlock_timeout", "50ms").start().await;
    server.sql(TABLES).await;
    let accounts = format!(
        "INSERT INTO accounts SELECT id, {BALANCE} FROM generate_series(0, {}) AS id",
        ACCOUNTS - 1
    );
    server.sql(&accounts).await;
    PostgresStore::builder(server.url()).connect_with_retry(Duration::from_secs(20)).await?;
    let folder = TempDir::new().context("a folder")?;
    let began = Instant::now();
    let mut workers = Workers::start(level, settings, &server, folder.path()).await?;
    let faults = faults(settings);
    workers.until_done(&server, &faults).await?;
    let mut outcome = verdict(&server, settings, &workers.answer_logs).await?;
    (outcome.level, outcome.took) = (Some(level), began.elapsed());
    (outcome.worker_kills, outcome.server_kills) = (workers.worker_kills, workers.server_kills);
    (outcome.step_kills, outcome.points) =
        (workers.step_kills.stopped, workers.step_kills.points.len());
    Ok(outcome)
}

/// At which number of answers which fault comes.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Worker,
    Server,
    Step,
}

fn faults(settings: &Settings) -> Vec<(u64, Fault)> {
    let mut random = Rng::with_seed(settings.seed);
    let all = u64::from(settings.transfers) * u64::from(settings.processes);
    let mut until = |end, times, fault| -> Vec<_> {
        (0..times).map(|_| (random.u64(all / 50..end), fault)).collect()
    };
    let mut faults = until(all - all / 10, settings.worker_kills, Fault::Worker);
    faults.extend(until(all - all / 10, settings.server_kills, Fault::Server));
    // In the end there may be replays only, which do not come to every step.
    faults.extend(until(all / 2, settings.step_kills, Fault::Step));
    faults.sort_by_key(|(at, _)| *at);
    faults
}

struct Workers {
    settings: Settings,
    assignments: Vec<Assignment>,
    running: Vec<Option<Child>>,
    answer_logs: Vec<PathBuf>,
    counts: Vec<AnswerCount>,
    step_kills: StepKills,
    random: Rng,
    worker_kills: u32,
    server_kills: u32,
}

impl Workers {
    async fn start(
        level: Level,
        settings: &Settings,
        server: &Postgres,
        folder: &Path,
    ) -> Result<Self> {
        let (processes, seed) = (settings.processes, settings.seed.wrapping_add(2));
        let step_kills = StepKills::start(server, processes, seed).await?;
        let answer_logs: Vec<PathBuf> =
            (0..settings.processes).map(|n| folder.join(format!("answers-{n}"))).collect();
        let places = step_kills.urls(server).into_iter().zip(&answer_logs);
        let assignments = places.map(|(url, answer_log)| Assignment {
            url,
            level,
            transfers: settings.transfers,
            tasks: settings.tasks,
            seed: settings.seed,
            fault_seed: 0,
            answer_log: answer_log.clone(),
        });
        let mut workers = Self {
            settings: settings.clone(),
            assignments: assignments.collect(),
            running: Vec::new(),
            counts: answer_logs
                .iter()
                .map(|log| AnswerCount::open(log))
                .collect::<Result<_, _>>()?,
            answer_logs,
            step_kills,
            random: Rng::with_seed(settings.seed.wrapping_add(1)),
            worker_kills: 0,
            server_kills: 0,
        };
        for worker in 0..workers.assignments.len() {
            let started = workers.start_worker(worker)?;
            workers.running.push(Some(started));
        }
        Ok(workers)
    }

    fn start_worker(&mut self, worker: usize) -> Result<Child> {
        let assignment = &mut self.assignments[worker];
        assignment.fault_seed = self.random.u64(..);
        let log = File::options().create(true).append(true).open(log(&assignment.answer_log))?;
        Command::new(&self.settings.program)
            .arg(WORKER)
            .arg(serde_json::to_string(assignment)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting a worker")
    }

    async fn until_done(&mut self, server: &Postgres, faults: &[(u64, Fault)]) -> Result<()> {
        let mut faults = faults.iter().copied().peekable();
        let (mut seen, mut seen_at) = (0, Instant::now());
        while self.running.iter().any(Option::is_some) {
            let answers = self.answers()?;
            if answers > seen {
                (seen, seen_at) = (answers, Instant::now());
            }
            ensure!(seen_at.elapsed() < PATIENCE, "no answer for {PATIENCE:?}");
            if let Some((at, fault)) = faults.peek().copied()
                && at <= answers
                && self.strike(fault, server).await?
            {
                faults.next();
            }
            for worker in self.step_kills.standing() {
                self.kill(worker).await?;
            }
            self.see_who_ended()?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn answers(&mut self) -> Result<u64> {
        let mut answers = 0;
        for count in &mut self.counts {
            answers += count.answers()?;
        }
        Ok(answers)
    }

    /// Says no where it is too early.
    async fn strike(&mut self, fault: Fault, server: &Postgres) -> Result<bool> {
        match fault {
            Fault::Worker => self.kill_a_worker().await?,
            Fault::Server => self.kill_the_server(server).await,
            Fault::Step => return Ok(self.step_kills.next()),
        }
        Ok(true)
    }

    async fn kill_a_worker(&mut self) -> Result<()> {
        let running = (0..self.running.len()).filter(|worker| self.running[*worker].is_some());
        let running: Vec<usize> = running.collect();
        let Some(worker) = self.random.choice(running) else { return Ok(()) };
        self.worker_kills += 1;
        self.kill(worker).await
    }

    /// Another one takes the place of one that runs.
    async fn kill(&mut self, worker: usize) -> Result<()> {
        if let Some(mut child) = self.running[worker].take() {
            child.kill().await.context("killing a worker")?;
            self.running[worker] = Some(self.start_worker(worker)?);
        }
        Ok(())
    }

    async fn kill_the_server(&mut self, server: &Postgres) {
        server.kill();
        self.server_kills += 1;
        sleep(Duration::from_millis(self.random.u64(0..300))).await;
        server.restart().await;
    }

    fn see_who_ended(&mut self) -> Result<()> {
        for (worker, answer_log) in self.running.iter_mut().zip(&self.answer_logs) {
            let Some(child) = worker else { continue };
            match child.try_wait().context("waiting for a worker")? {
                None => {}
                Some(status) if status.success() => *worker = None,
                Some(status) => {
                    let log = std::fs::read_to_string(log(answer_log)).unwrap_or_default();
                    bail!("a worker ended with {status}:\n{log}");
                }
            }
        }
        Ok(())
    }
}

fn log(answer_log: &Path) -> PathBuf {
    answer_log.with_extension("log")
}
