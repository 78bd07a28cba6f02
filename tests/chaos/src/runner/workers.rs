//! The workers: started, told what to do, killed and stopped.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;

use super::worker_process::WorkerProcess;
use crate::checker::{Incident, IncidentKind, Span};
use crate::ledger::{self, Process};
use crate::row::WorkerFault;
use crate::schedule::{AtWorker, Planned};
use crate::servers::Servers;
use crate::timestamp::Timestamp;
use crate::worker::{Assignment, Instruction, Load, Report};

#[derive(Debug)]
pub(super) struct Workers<'a> {
    servers: &'a Servers,
    program: &'a Path,
    assignment: Assignment,
    slots: Vec<Slot>,
    processes: Process,
}

/// A worker's place, and its share of the load.
#[derive(Debug)]
struct Slot {
    worker: Option<WorkerProcess>,
    load: Option<Load>,
    /// Who had it last, while nobody has.
    lost: Option<Process>,
}

/// What is done to a slot.
#[derive(Clone, Copy, Debug)]
enum Action {
    Kill,
    Replace,
    Pause,
    Resume,
    /// For so long.
    Disturb(WorkerFault, Duration),
    /// What the worker's application did should be over.
    Calm,
}

// Nothing waits them out but a failure.
const START: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(240);

impl<'a> Workers<'a> {
    /// Starts the workers, and waits until all are warm.
    pub(super) async fn start(
        servers: &'a Servers,
        program: &'a Path,
        assignment: Assignment,
        count: usize,
    ) -> Result<Self> {
        let mut workers = Self { servers, program, assignment, slots: Vec::new(), processes: 0 };
        for _ in 0..count {
            let worker = Some(workers.start_process()?);
            workers.slots.push(Slot { worker, load: None, lost: None });
        }
        let late = workers.hear(Report::Ready, START).await?;
        ensure!(late.is_empty(), "workers {late:?} do not start");
        Ok(workers)
    }

    fn start_process(&mut self) -> Result<WorkerProcess> {
        let process = self.processes;
        self.processes += 1;
        let seed = self.assignment.seed.wrapping_add(u64::from(process) << 32);
        let assignment = Assignment { process, seed, ..self.assignment.clone() };
        WorkerProcess::start(self.servers, self.program, &assignment)
    }

    /// How many processes there were.
    pub(super) fn processes(&self) -> Process {
        self.processes
    }

    fn running(&mut self) -> impl Iterator<Item = &mut WorkerProcess> {
        self.slots.iter_mut().filter_map(|slot| slot.worker.as_mut())
    }

    /// Tells all.
    pub(super) async fn say(&mut self, instruction: &Instruction) -> Result<()> {
        for worker in self.running() {
            worker.say(instruction).await?;
        }
        Ok(())
    }

    /// Waits for all to say it, and gives those that did not.
    pub(super) async fn hear(
        &mut self,
        wanted: Report,
        patience: Duration,
    ) -> Result<Vec<Process>> {
        let deadline = Instant::now() + patience;
        let mut silent = Vec::new();
        for worker in self.running() {
            if !worker.hear(wanted, deadline).await? {
                silent.push(worker.process);
            }
        }
        Ok(silent)
    }

    /// Tells the first, and waits for what it says.
    pub(super) async fn ask_one(
        &mut self,
        instruction: &Instruction,
        wanted: Report,
    ) -> Result<()> {
        match self.running().next() {
            Some(worker) => ask(worker, instruction, wanted).await,
            None => Ok(()),
        }
    }

    /// Tells one after the other, so that none meets another.
    pub(super) async fn ask_each(
        &mut self,
        instruction: &Instruction,
        wanted: Report,
    ) -> Result<()> {
        for worker in self.running() {
            ask(worker, instruction, wanted).await?;
        }
        Ok(())
    }

    /// Begins the load, in equal shares.
    pub(super) async fn load(&mut self, load: Load) -> Result<()> {
        let share = load.operations.div_ceil(self.slots.len().max(1) as u64);
        for slot in &mut self.slots {
            let load = Load { operations: share, ..load };
            slot.load = Some(load);
            if let Some(worker) = &mut slot.worker {
                worker.say(&Instruction::Load(load)).await?;
            }
        }
        Ok(())
    }

    /// Brings about the workers' faults, and gives what befell whom.
    pub(super) async fn disturb(
        &mut self,
        planned: &[Planned<AtWorker>],
        from: Timestamp,
    ) -> Result<Vec<Incident>> {
        let mut incidents = Vec::new();
        let mut paused: Vec<Option<(Process, Timestamp)>> =
            self.slots.iter().map(|_| None).collect();
        for (at, slot, actions) in timeline(planned) {
            from.after(at).reached().await;
            match actions {
                Action::Kill => incidents.extend(self.kill(slot, paused[slot].take()).await?),
                Action::Replace => self.replace(slot).await?,
                Action::Pause if paused[slot].is_none() => paused[slot] = self.pause(slot)?,
                Action::Resume => incidents.extend(self.resume(slot, paused[slot].take())?),
                Action::Disturb(fault, lasts) => self.disturb_one(slot, fault, lasts).await?,
                Action::Pause | Action::Calm => {}
            }
        }
        Ok(incidents)
    }

    async fn kill(
        &mut self,
        slot: usize,
        paused: Option<(Process, Timestamp)>,
    ) -> Result<Vec<Incident>> {
        let Some(mut worker) = self.slots[slot].worker.take() else { return Ok(Vec::new()) };
        worker.kill().await?;
        let now = Timestamp::now();
        let process = worker.process;
        self.slots[slot].lost = Some(process);
        let mut incidents = vec![Incident { process, what: IncidentKind::Killed(now) }];
        if let Some((process, from)) = paused {
            incidents
                .push(Incident { process, what: IncidentKind::Paused(Span { from, to: now }) });
        }
        Ok(incidents)
    }

    /// A new process, which does what the old one did not come to.
    async fn replace(&mut self, slot: usize) -> Result<()> {
        let Some(lost) = self.slots[slot].lost.take() else { return Ok(()) };
        let mut worker = self.start_process()?;
        if let Some(load) = &mut self.slots[slot].load {
            let done = ledger::answers_in(&self.assignment.folder, lost)?;
            load.operations = load.operations.saturating_sub(done);
            worker.say(&Instruction::Load(*load)).await?;
        }
        self.slots[slot].worker = Some(worker);
        Ok(())
    }

    async fn disturb_one(
        &mut self,
        slot: usize,
        fault: WorkerFault,
        lasts: Duration,
    ) -> Result<()> {
        let seed = self.assignment.seed;
        match &mut self.slots[slot].worker {
            Some(worker) => worker.say(&Instruction::Disturb { fault, lasts, seed }).await,
            None => Ok(()),
        }
    }

    fn pause(&self, slot: usize) -> Result<Option<(Process, Timestamp)>> {
        let Some(worker) = &self.slots[slot].worker else { return Ok(None) };
        let now = Timestamp::now();
        worker.signal(Signal::STOP)?;
        Ok(Some((worker.process, now)))
    }

    fn resume(
        &self,
        slot: usize,
        paused: Option<(Process, Timestamp)>,
    ) -> Result<Option<Incident>> {
        let (Some(worker), Some((process, from))) = (&self.slots[slot].worker, paused) else {
            return Ok(None);
        };
        worker.signal(Signal::CONT)?;
        let span = Span { from, to: Timestamp::now() };
        Ok(Some(Incident { process, what: IncidentKind::Paused(span) }))
    }

    /// Lets these go, as they are.
    pub(super) async fn kill_all(&mut self, processes: &[Process]) -> Result<()> {
        for slot in &mut self.slots {
            if let Some(mut worker) = slot.worker.take_if(|it| processes.contains(&it.process)) {
                worker.kill().await?;
            }
        }
        Ok(())
    }

    /// Lets all write down what is left and end. Gives how many processes there were.
    pub(super) async fn end(mut self) -> Result<Process> {
        self.say(&Instruction::Quit).await?;
        let patience = self.assignment.lease + Duration::from_secs(10);
        for worker in self.running() {
            worker.ended(patience).await?;
        }
        Ok(self.processes)
    }
}

async fn ask(worker: &mut WorkerProcess, instruction: &Instruction, wanted: Report) -> Result<()> {
    worker.say(instruction).await?;
    let heard = worker.hear(wanted, Instant::now() + ANSWER).await?;
    ensure!(heard, "worker {} does not answer", worker.process);
    Ok(())
}

/// The faults with their ends, in order.
fn timeline(planned: &[Planned<AtWorker>]) -> Vec<(Duration, usize, Action)> {
    let mut actions: Vec<_> = planned
        .iter()
        .flat_map(|&Planned { at, lasts, fault: AtWorker { slot, what } }| {
            let (begin, end) = match what {
                WorkerFault::Kill => (Action::Kill, Action::Replace),
                WorkerFault::Pause => (Action::Pause, Action::Resume),
                WorkerFault::CancelBegins | WorkerFault::ExhaustPool => {
                    (Action::Disturb(what, lasts), Action::Calm)
                }
            };
            [(at, slot, begin), (at + lasts, slot, end)]
        })
        .collect();
    actions.sort_by_key(|&(at, ..)| at);
    actions
}
