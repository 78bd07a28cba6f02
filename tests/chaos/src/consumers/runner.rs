//! One run: starts the servers and the workers, publishes, breaks both, and waits until all is settled.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use idempotent_servers::TcpProxy;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::plan;
use super::records::Records;
use super::verdict::{Evidence, Verdict, verdict};
use super::{Assignment, Broker, Launch, Settings, Store};
use crate::checker::History;
use crate::ledger::{self, Event, Process};
use crate::timestamp::Timestamp;

/// How long a worker may take to stop that is told to.
const STOPS_WITHIN: Duration = Duration::from_secs(45);
/// How long a message may take to be published: longer than any fault, and than a broker takes to start again.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(300);

/// Carries a run out.
///
/// # Errors
///
/// When the run could not be carried out, which says nothing of the promises.
pub async fn run<B: Broker>(
    settings: &Settings,
    broker: &B,
    launch: Launch<'_>,
) -> Result<Verdict> {
    let folder = tempfile::Builder::new().prefix("chaos-consumers-").tempdir()?;
    let records = Records::start(settings.store).await?;
    let mut ways = Vec::new();
    for _ in 0..settings.workers {
        let to_store = TcpProxy::start(records.address()).await;
        ways.push(Ways { to_broker: TcpProxy::start(broker.address()).await, to_store });
    }
    let run =
        Run { settings, broker, launch, records: &records, ways: &ways, folder: folder.path() };
    let verdict = run.carry_out().await;
    verdict.with_context(|| format!("seed {}\n{}", settings.seed, run.logs()))
}

/// A worker's ways to its servers.
pub(super) struct Ways {
    pub(super) to_broker: TcpProxy,
    pub(super) to_store: TcpProxy,
}

/// A worker that runs.
pub(super) struct Worker {
    pub(super) process: Process,
    pub(super) child: Child,
}

pub(super) struct Run<'a, B> {
    pub(super) settings: &'a Settings,
    broker: &'a B,
    launch: Launch<'a>,
    records: &'a Records,
    pub(super) ways: &'a [Ways],
    folder: &'a Path,
}

impl<B: Broker> Run<'_, B> {
    async fn carry_out(&self) -> Result<Verdict> {
        let mut workers = Vec::new();
        for slot in 0..self.settings.workers {
            workers.push(self.start_worker(slot, slot as Process)?);
        }
        let from = Timestamp::now().after(Duration::from_millis(500));
        let (published, restarts, incidents) = tokio::join!(
            self.publish(from),
            self.restart_broker(from),
            self.disturb(&mut workers, from)
        );
        let (published, incidents) = (published?, incidents?);
        let faults_end = Instant::now();
        let settled = timeout(self.settings.settled_within, self.until_settled()).await;
        let took = faults_end.elapsed();
        let left = match settled {
            Ok(()) => 0,
            Err(_) => self.broker.left().await?,
        };
        let parked = self.broker.parked().await?;
        let mut history = History { incidents, ..History::default() };
        for worker in &mut workers {
            ensure!(worker.child.try_wait()?.is_none(), "worker {} died by itself", worker.process);
            drop(worker.child.stdin.take());
        }
        for worker in workers {
            stopped(worker, &mut history).await?;
        }
        let (mut began, mut settled) = (Vec::new(), Vec::new());
        for process in self.processes()? {
            for event in ledger::read(self.folder, process)? {
                match event {
                    Event::Effect(effect) => history.effects.push(effect),
                    Event::Began { key, at } => began.push((process, key, at)),
                    Event::Settled(told) => settled.push((process, told)),
                    Event::ResourceUsage { before, after } => {
                        history.resources.push((process, before, after));
                    }
                    _ => {}
                }
            }
        }
        if self.settings.store == Store::Inbox {
            history.effects = self.records.effects().await?;
        }
        let settings = self.settings;
        let evidence =
            Evidence { settings, history, began, settled, published, parked, left, restarts, took };
        Ok(verdict(&evidence))
    }

    /// Starts a worker in a slot, which has its own ways.
    pub(super) fn start_worker(&self, slot: usize, process: Process) -> Result<Worker> {
        let mut assignment =
            Assignment::new(self.settings, process, B::NAME, self.folder.to_owned());
        let ways = &self.ways[slot];
        assignment.broker_url = self.broker.url_at(ways.to_broker.address());
        assignment.store_url = self.records.url_at(ways.to_store.address());
        let log = File::create(self.folder.join(format!("log-{process}")))?;
        let mut command = Command::from((self.launch)(&serde_json::to_string(&assignment)?));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        Ok(Worker { process, child: command.spawn().context("starting a worker")? })
    }

    /// Publishes each message when it is its turn, and a fifth of them again, and returns how often each was.
    async fn publish(&self, from: Timestamp) -> Result<Vec<u32>> {
        let Settings { messages, load, seed, .. } = *self.settings;
        let mut random = Rng::with_seed(seed.wrapping_add(2 << 32));
        let mut turns: Vec<u32> = (0..messages).collect();
        for key in 0..messages {
            if random.u8(..5) == 0 {
                // Some at once, and some much later.
                let at = (key as usize + random.usize(..200)).min(turns.len());
                turns.insert(at, key);
            }
        }
        let mut published = vec![0; messages as usize];
        for (at, key) in turns.iter().enumerate() {
            from.after(load.mul_f64(at as f64 / turns.len() as f64)).reached().await;
            published[*key as usize] += self.publish_one(&key.to_string()).await?;
        }
        Ok(published)
    }

    /// Publishes until it is confirmed, as producers do, and returns how often that may have been.
    async fn publish_one(&self, id: &str) -> Result<u32> {
        let (began, mut times) = (Instant::now(), 0);
        loop {
            times += 1;
            match timeout(Duration::from_secs(5), self.broker.publish(id)).await {
                Ok(Ok(())) => return Ok(times),
                Ok(Err(error)) if began.elapsed() > PUBLISHED_WITHIN => return Err(error),
                Ok(Err(_)) => sleep(Duration::from_millis(50)).await,
                Err(_) => {
                    ensure!(began.elapsed() < PUBLISHED_WITHIN, "the broker is silent");
                }
            }
        }
    }

    /// Kills the broker, and starts it again. Returns how often.
    async fn restart_broker(&self, from: Timestamp) -> usize {
        let mut restarts = 0;
        for planned in plan::of_broker(self.settings) {
            from.after(planned.at).reached().await;
            self.broker.kill();
            sleep(planned.lasts).await;
            self.broker.restart().await;
            restarts += 1;
        }
        restarts
    }

    /// Waits until the broker has nothing left, twice in a row: what it counts may be a little old.
    async fn until_settled(&self) {
        let mut times = 0;
        while times < 2 {
            times = if matches!(self.broker.left().await, Ok(0)) { times + 1 } else { 0 };
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Those that have opened a ledger.
    fn processes(&self) -> Result<Vec<Process>> {
        let mut processes = Vec::new();
        for file in fs::read_dir(self.folder)? {
            let name = file?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("ledger-"));
            processes.extend(number.and_then(|number| number.parse::<Process>().ok()));
        }
        processes.sort_unstable();
        Ok(processes)
    }

    /// What the processes have said, for a run that failed.
    fn logs(&self) -> String {
        let mut text = String::new();
        for file in fs::read_dir(self.folder).into_iter().flatten().flatten() {
            if file.file_name().to_string_lossy().starts_with("log-") {
                text.push_str(&fs::read_to_string(file.path()).unwrap_or_default());
            }
        }
        text
    }
}

/// Waits until a worker has stopped that was told to.
async fn stopped(mut worker: Worker, history: &mut History) -> Result<()> {
    match timeout(STOPS_WITHIN, worker.child.wait()).await {
        Ok(ended) => ensure!(ended?.success(), "worker {} failed", worker.process),
        Err(_) => history.hung.push(worker.process),
    }
    Ok(())
}
