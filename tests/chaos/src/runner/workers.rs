//! The workers: started, told what to do, killed and stopped.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;

use super::member::Member;
use crate::checker::{Befell, Fate, Span};
use crate::ledger::{self, Process};
use crate::moment::Moment;
use crate::row::WorkerFault;
use crate::schedule::{AtWorker, Planned};
use crate::stage::Stage;
use crate::worker::{Assignment, Load, Order, Report};

#[derive(Debug)]
pub(super) struct Crew<'a> {
    stage: &'a Stage,
    program: &'a Path,
    assignment: Assignment,
    slots: Vec<Slot>,
    processes: Process,
}

/// A worker's place, and its share of the load.
#[derive(Debug)]
struct Slot {
    member: Option<Member>,
    load: Option<Load>,
    /// Who had it last, while nobody has.
    lost: Option<Process>,
}

/// What is done to a slot at a moment.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Kill,
    Replace,
    Pause,
    Resume,
}

const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(60);

impl<'a> Crew<'a> {
    /// Starts the workers, and waits until all are warm.
    pub(super) async fn start(
        stage: &'a Stage,
        program: &'a Path,
        assignment: Assignment,
        workers: usize,
    ) -> Result<Self> {
        let mut crew = Self { stage, program, assignment, slots: Vec::new(), processes: 0 };
        for _ in 0..workers {
            let member = Some(crew.hire()?);
            crew.slots.push(Slot { member, load: None, lost: None });
        }
        let late = crew.hear(Report::Ready, START).await?;
        ensure!(late.is_empty(), "workers {late:?} do not start");
        Ok(crew)
    }

    fn hire(&mut self) -> Result<Member> {
        let process = self.processes;
        self.processes += 1;
        let seed = self.assignment.seed.wrapping_add(u64::from(process) << 32);
        let assignment = Assignment { process, seed, ..self.assignment.clone() };
        Member::start(self.stage, self.program, &assignment)
    }

    /// How many processes there were.
    pub(super) fn processes(&self) -> Process {
        self.processes
    }

    fn members(&mut self) -> impl Iterator<Item = &mut Member> {
        self.slots.iter_mut().filter_map(|slot| slot.member.as_mut())
    }

    /// Tells all.
    pub(super) async fn say(&mut self, order: &Order) -> Result<()> {
        for member in self.members() {
            member.say(order).await?;
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
        for member in self.members() {
            if !member.hear(wanted, deadline).await? {
                silent.push(member.process);
            }
        }
        Ok(silent)
    }

    /// Tells the first, and waits for what it says.
    pub(super) async fn ask_one(&mut self, order: &Order, wanted: Report) -> Result<()> {
        match self.members().next() {
            Some(member) => ask(member, order, wanted).await,
            None => Ok(()),
        }
    }

    /// Tells one after the other, so that none meets another.
    pub(super) async fn ask_each(&mut self, order: &Order, wanted: Report) -> Result<()> {
        for member in self.members() {
            ask(member, order, wanted).await?;
        }
        Ok(())
    }

    /// Begins the load, in equal shares.
    pub(super) async fn load(&mut self, load: Load) -> Result<()> {
        let share = load.operations.div_ceil(self.slots.len().max(1) as u64);
        for slot in &mut self.slots {
            let load = Load { operations: share, ..load };
            slot.load = Some(load);
            if let Some(member) = &mut slot.member {
                member.say(&Order::Load(load)).await?;
            }
        }
        Ok(())
    }

    /// Brings about the workers' faults, and gives what befell whom.
    pub(super) async fn disturb(
        &mut self,
        planned: &[Planned<AtWorker>],
        from: Moment,
    ) -> Result<Vec<Fate>> {
        let mut fates = Vec::new();
        let mut paused: Vec<Option<(Process, Moment)>> = self.slots.iter().map(|_| None).collect();
        for (at, slot, deed) in timeline(planned) {
            from.after(at).arrives().await;
            match deed {
                Deed::Kill => fates.extend(self.kill(slot, paused[slot].take()).await?),
                Deed::Replace => self.replace(slot).await?,
                Deed::Pause if paused[slot].is_none() => paused[slot] = self.pause(slot)?,
                Deed::Resume => fates.extend(self.resume(slot, paused[slot].take())?),
                Deed::Pause => {}
            }
        }
        Ok(fates)
    }

    async fn kill(&mut self, slot: usize, paused: Option<(Process, Moment)>) -> Result<Vec<Fate>> {
        let Some(mut member) = self.slots[slot].member.take() else { return Ok(Vec::new()) };
        member.kill().await?;
        let now = Moment::now();
        let process = member.process;
        self.slots[slot].lost = Some(process);
        let mut fates = vec![Fate { process, what: Befell::Killed(now) }];
        if let Some((process, from)) = paused {
            fates.push(Fate { process, what: Befell::Paused(Span { from, to: now }) });
        }
        Ok(fates)
    }

    /// A new process, which does what the old one did not come to.
    async fn replace(&mut self, slot: usize) -> Result<()> {
        let Some(lost) = self.slots[slot].lost.take() else { return Ok(()) };
        let mut member = self.hire()?;
        if let Some(load) = &mut self.slots[slot].load {
            let done = ledger::answers_in(&self.assignment.folder, lost)?;
            load.operations = load.operations.saturating_sub(done);
            member.say(&Order::Load(*load)).await?;
        }
        self.slots[slot].member = Some(member);
        Ok(())
    }

    fn pause(&self, slot: usize) -> Result<Option<(Process, Moment)>> {
        let Some(member) = &self.slots[slot].member else { return Ok(None) };
        let now = Moment::now();
        member.signal(Signal::STOP)?;
        Ok(Some((member.process, now)))
    }

    fn resume(&self, slot: usize, paused: Option<(Process, Moment)>) -> Result<Option<Fate>> {
        let (Some(member), Some((process, from))) = (&self.slots[slot].member, paused) else {
            return Ok(None);
        };
        member.signal(Signal::CONT)?;
        let span = Span { from, to: Moment::now() };
        Ok(Some(Fate { process, what: Befell::Paused(span) }))
    }

    /// Lets these go, as they are.
    pub(super) async fn dismiss(&mut self, processes: &[Process]) -> Result<()> {
        for slot in &mut self.slots {
            if let Some(mut member) = slot.member.take_if(|it| processes.contains(&it.process)) {
                member.kill().await?;
            }
        }
        Ok(())
    }

    /// Lets all write down what is left and end. Gives how many processes there were.
    pub(super) async fn end(mut self) -> Result<Process> {
        self.say(&Order::Quit).await?;
        let patience = self.assignment.lease + Duration::from_secs(10);
        for member in self.members() {
            member.ended(patience).await?;
        }
        Ok(self.processes)
    }
}

async fn ask(member: &mut Member, order: &Order, wanted: Report) -> Result<()> {
    member.say(order).await?;
    let heard = member.hear(wanted, Instant::now() + ANSWER).await?;
    ensure!(heard, "worker {} does not answer", member.process);
    Ok(())
}

/// The faults with their ends, in order.
fn timeline(planned: &[Planned<AtWorker>]) -> Vec<(Duration, usize, Deed)> {
    let mut deeds: Vec<_> = planned
        .iter()
        .flat_map(|&Planned { at, lasts, fault: AtWorker { slot, what } }| {
            let (begin, end) = match what {
                WorkerFault::Kill => (Deed::Kill, Deed::Replace),
                WorkerFault::Pause => (Deed::Pause, Deed::Resume),
            };
            [(at, slot, begin), (at + lasts, slot, end)]
        })
        .collect();
    deeds.sort_by_key(|&(at, ..)| at);
    deeds
}
