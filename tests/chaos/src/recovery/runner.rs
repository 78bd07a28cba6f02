//! One run: starts the servers and the workers, breaks both, and has the judge look at what is left.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::judge::{self, Findings};
use super::verdict::{Verdict, verdict};
use super::worker::{Assignment, LONGEST_BACKOFF, Task, begun};
use super::{Settings, WORKER, effects};
use crate::schedule::{AtServer, duration_of};
use crate::servers::Servers;
use crate::timestamp::Timestamp;
use crate::worker::StoreSettings;

/// How long a call of the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// The faults begin after the load and end before it.
const MARGIN: Duration = Duration::from_millis(700);

/// A run that takes longer stands still.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happens to a worker.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill { slot: usize, away: Duration },
    Pause { slot: usize, lasts: Duration },
}

/// Carries a run out.
///
/// # Errors
///
/// When the run could not be carried out, which says nothing of the promises.
pub async fn run(settings: &Settings) -> Result<Verdict> {
    let folder = tempfile::Builder::new().prefix("chaos-recovery-").tempdir()?;
    let servers = Servers::start(settings.topology, folder.path()).await?;
    let run = Run { settings, servers: &servers, folder: folder.path() };
    let verdict = run.carry_out().await;
    let log = logs(folder.path());
    verdict.with_context(|| format!("seed {}\n{log}", settings.seed))
}

struct Run<'a> {
    settings: &'a Settings,
    servers: &'a Servers,
    folder: &'a Path,
}

impl Run<'_> {
    async fn carry_out(&self) -> Result<Verdict> {
        let Settings { workers, load, lease, orders, .. } = *self.settings;
        let from = Timestamp::now().after(Duration::from_secs(1));
        let mut slots = Vec::new();
        for slot in 0..workers {
            slots.push(Some(self.start_worker(slot, slot, from)?));
        }
        let mut random = Rng::with_seed(self.settings.seed);
        let server_faults = self.server_faults(&mut random);
        let faults = self.worker_faults(&mut random);
        let broken = async {
            for (at, fault, lasts) in server_faults {
                from.after(at).reached().await;
                let ongoing = self.servers.begin(fault).await?;
                sleep(lasts).await;
                self.servers.end(ongoing).await?;
            }
            Ok::<(), anyhow::Error>(())
        };
        let (broken, disturbed) = tokio::join!(broken, self.disturb(&mut slots, faults, from));
        let (mut process, ()) = (disturbed?, broken?);
        from.after(load).reached().await;
        self.all_begun().await?;
        // What a frozen owner had begun has ended by then, and what it held has lapsed.
        sleep(lease + Duration::from_secs(1)).await;
        process += 1;
        let within = lease + LONGEST_BACKOFF + PATIENCE;
        let findings = self.judged(process, Task::Judge { orders, within }).await?;
        for worker in slots.iter_mut().flatten() {
            ensure!(worker.try_wait()?.is_none(), "a worker died by itself");
            worker.kill().await?;
        }
        let effects = effects::read(self.folder)?;
        Ok(verdict(self.settings, &effects, &findings))
    }

    fn start_worker(&self, slot: u32, process: u32, from: Timestamp) -> Result<Child> {
        let Settings { workers, orders, load, .. } = *self.settings;
        let until = from.after(load);
        self.start(process, Task::Begin { slot, of: workers, orders, from, until })
    }

    fn start(&self, process: u32, task: Task) -> Result<Child> {
        let assignment = Assignment {
            process,
            store_settings: StoreSettings {
                endpoint: self.servers.endpoint(),
                min_replicas: self.settings.min_replicas,
                timeout: STORE_TIMEOUT,
            },
            lease: self.settings.lease,
            folder: self.folder.to_owned(),
            task,
        };
        let log = File::create(self.folder.join(format!("log-{process}")))?;
        let mut command: Command = self.servers.command(&self.settings.program);
        command.arg(WORKER).arg(serde_json::to_string(&assignment)?);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        command.spawn().context("starting a worker")
    }

    async fn judged(&self, process: u32, task: Task) -> Result<Findings> {
        let mut judge = self.start(process, task)?;
        let status = tokio::time::timeout(PATIENCE * 3, judge.wait()).await;
        let status = status.context("the judge does not end")??;
        ensure!(status.success(), "the judge failed");
        Ok(serde_json::from_slice(&fs::read(judge::path(self.folder))?)?)
    }

    /// One after the other, each in its own share of the time.
    fn server_faults(&self, random: &mut Rng) -> Vec<(Duration, AtServer, Duration)> {
        let faults = &self.settings.server_faults;
        let window = self.settings.load.saturating_sub(MARGIN * 2);
        let share = window / u32::try_from(faults.len()).unwrap_or(u32::MAX).max(1);
        let planned = faults.iter().enumerate().map(|(at, &what)| {
            let start = MARGIN + share * at as u32 + share.mul_f64(random.f64() / 3.0);
            let (shortest, longest) = duration_of(what);
            let lasts = shortest + longest.saturating_sub(shortest).mul_f64(random.f64());
            (start, AtServer { pick: random.u32(..), what }, lasts)
        });
        planned.collect()
    }

    fn worker_faults(&self, random: &mut Rng) -> Vec<(Duration, Fault)> {
        let Settings { kills, pauses, workers, load, lease, .. } = *self.settings;
        let window = load.saturating_sub(MARGIN * 2);
        let mut planned = Vec::new();
        for at in 0..kills + pauses {
            let slot = random.usize(..workers.max(1) as usize);
            let when = MARGIN + window.mul_f64(random.f64());
            let fault = if at < kills {
                Fault::Kill { slot, away: Duration::from_millis(random.u64(50..400)) }
            } else {
                Fault::Pause { slot, lasts: lease.mul_f64(1.25 + random.f64() / 4.0) }
            };
            planned.push((when, fault));
        }
        planned.sort_by_key(|(at, _)| *at);
        planned
    }

    /// Breaks workers one after the other, and gives the number of the last process.
    async fn disturb(
        &self,
        slots: &mut [Option<Child>],
        faults: Vec<(Duration, Fault)>,
        from: Timestamp,
    ) -> Result<u32> {
        let mut process = self.settings.workers - 1;
        let mut paused = Vec::new();
        for (at, fault) in faults {
            from.after(at).reached().await;
            match fault {
                Fault::Kill { slot, away } => {
                    if let Some(mut worker) = slots[slot].take() {
                        worker.kill().await?;
                        paused.retain(|(stopped, _)| *stopped != slot);
                    }
                    sleep(away).await;
                    process += 1;
                    slots[slot] = Some(self.start_worker(slot as u32, process, from)?);
                }
                Fault::Pause { slot, lasts } => {
                    signal(slots[slot].as_ref(), Signal::STOP)?;
                    paused.push((slot, Timestamp::now().after(lasts)));
                }
            }
        }
        for (slot, until) in paused {
            until.reached().await;
            signal(slots[slot].as_ref(), Signal::CONT)?;
        }
        Ok(process)
    }

    /// Waits until every call has been begun.
    async fn all_begun(&self) -> Result<()> {
        let began = Instant::now();
        let count =
            || (0..self.settings.workers).map(|slot| begun(self.folder, slot)).sum::<usize>();
        while count() < self.settings.orders as usize {
            ensure!(began.elapsed() < PATIENCE, "only {} calls were begun", count());
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn signal(worker: Option<&Child>, signal: Signal) -> Result<()> {
    let pid = worker.and_then(Child::id).and_then(|id| i32::try_from(id).ok());
    let pid = pid.and_then(Pid::from_raw).context("the worker is gone")?;
    kill_process(pid, signal).context("signalling a worker")
}

/// What the processes have said, for a run that failed.
fn logs(folder: &Path) -> String {
    let mut text = String::new();
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        if file.file_name().to_string_lossy().starts_with("log-") {
            text.push_str(&fs::read_to_string(file.path()).unwrap_or_default());
        }
    }
    text
}
