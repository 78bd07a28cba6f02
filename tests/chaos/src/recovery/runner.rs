//! One run: starts the servers and the workers, breaks both, and has the judge look at what is left.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::sleep;

use super::incidents::{Freeze, Incidents};
use super::launcher::{Launcher, PATIENCE};
use super::order::{Build, Code};
use super::probe::{out_of_reach, reached};
use super::verdict::{Evidence, Verdict, verdict};
use super::worker::{LONGEST_BACKOFF, Task, begun};
use super::{Settings, ledger};
use crate::checker::Span;
use crate::schedule::{AtServer, duration_of};
use crate::servers::Servers;
use crate::stalls::StallWatch;
use crate::timestamp::Timestamp;

/// The faults begin after the load and end before it.
const MARGIN: Duration = Duration::from_millis(700);

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
    let launcher = Launcher::new(settings, &servers, folder.path());
    let log = launcher.clone();
    let run = Run { settings, servers: &servers, folder: folder.path(), launcher };
    let verdict = run.carry_out().await;
    verdict.with_context(|| format!("seed {}\n{}", settings.seed, log.logs()))
}

struct Run<'a> {
    settings: &'a Settings,
    servers: &'a Servers,
    folder: &'a Path,
    launcher: Launcher<'a>,
}

/// All workers are of one build.
const CODE: Code = Code { build: Build::Before, halts_after: None };

impl Run<'_> {
    async fn carry_out(&self) -> Result<Verdict> {
        let Settings { workers, load, lease, orders, .. } = *self.settings;
        let from = Timestamp::now().after(Duration::from_secs(1));
        let mut slots = Vec::new();
        for slot in 0..workers {
            slots.push(Some(self.start_worker(slot, slot, from)?));
        }
        let watch = StallWatch::start();
        let mut random = Rng::with_seed(self.settings.seed);
        let server_faults = self.server_faults(&mut random);
        let faults = self.worker_faults(&mut random);
        let broken = async {
            let mut spans = Vec::new();
            for (at, fault, lasts) in server_faults {
                from.after(at).reached().await;
                let from = Timestamp::now();
                let ongoing = self.servers.begin(fault).await?;
                sleep(lasts).await;
                self.servers.end(ongoing).await?;
                spans.push(Span { from, to: Timestamp::now() });
            }
            Ok::<_, anyhow::Error>(spans)
        };
        let (broken, disturbed) = tokio::join!(broken, self.disturb(&mut slots, faults, from));
        let ((mut process, mut incidents), server_faults) = (disturbed?, broken?);
        incidents.server_faults = server_faults;
        from.after(load).reached().await;
        self.all_begun().await?;
        // What a frozen owner had begun has ended by then, and what it held has lapsed.
        sleep(lease + Duration::from_secs(1)).await;
        process += 1;
        let within = lease + LONGEST_BACKOFF + PATIENCE;
        let findings = self.launcher.judge(process, CODE, Task::Judge { orders, within }).await?;
        for worker in slots.iter_mut().flatten() {
            ensure!(worker.try_wait()?.is_none(), "a worker died by itself");
            worker.kill().await?;
        }
        incidents.stalls = watch.end()?;
        incidents.absences = out_of_reach(&reached(self.folder)?);
        let entries = ledger::read(self.folder)?;
        let (findings, incidents) = (&findings, &incidents);
        Ok(verdict(&Evidence { settings: self.settings, entries: &entries, findings, incidents }))
    }

    fn start_worker(&self, slot: u32, process: u32, from: Timestamp) -> Result<Child> {
        let Settings { workers, orders, load, .. } = *self.settings;
        let until = from.after(load);
        self.launcher.start(process, CODE, Task::Begin { slot, of: workers, orders, from, until })
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

    /// Breaks workers one after the other, and gives the number of the last process and what befell them.
    async fn disturb(
        &self,
        slots: &mut [Option<Child>],
        faults: Vec<(Duration, Fault)>,
        from: Timestamp,
    ) -> Result<(u32, Incidents)> {
        let mut process = self.settings.workers - 1;
        let mut incidents = Incidents::default();
        let mut of_slot: Vec<u32> = (0..self.settings.workers).collect();
        let mut paused = Vec::new();
        for (at, fault) in faults {
            from.after(at).reached().await;
            match fault {
                Fault::Kill { slot, away } => {
                    if let Some(mut worker) = slots[slot].take() {
                        incidents.kills.push(Timestamp::now());
                        worker.kill().await?;
                        let now = Timestamp::now();
                        paused.retain(|&(stopped, from, _)| {
                            let is_it = stopped == slot;
                            let span = Span { from, to: now };
                            let frozen = Freeze { process: of_slot[slot], span };
                            incidents.freezes.extend(is_it.then_some(frozen));
                            !is_it
                        });
                    }
                    sleep(away).await;
                    process += 1;
                    of_slot[slot] = process;
                    slots[slot] = Some(self.start_worker(slot as u32, process, from)?);
                }
                Fault::Pause { slot, lasts } => {
                    let from = Timestamp::now();
                    signal(slots[slot].as_ref(), Signal::STOP)?;
                    paused.push((slot, from, from.after(lasts)));
                }
            }
        }
        for (slot, from, until) in paused {
            until.reached().await;
            signal(slots[slot].as_ref(), Signal::CONT)?;
            let span = Span { from, to: Timestamp::now() };
            incidents.freezes.push(Freeze { process: of_slot[slot], span });
        }
        Ok((process, incidents))
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
