//! Breaking workers, and their ways to their servers.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::Broker;
use super::plan::{self, Fault, What};
use super::runner::{Run, Worker};
use crate::checker::{Incident, IncidentKind, Span};
use crate::ledger::Process;
use crate::schedule::Planned;
use crate::timestamp::Timestamp;

/// What has begun and not ended.
struct Ongoing {
    until: Timestamp,
    fault: Fault,
    process: Process,
    from: Timestamp,
}

impl<B: Broker> Run<'_, B> {
    /// Breaks workers as it is planned, and returns what befell them.
    pub(super) async fn disturb(
        &self,
        workers: &mut [Worker],
        from: Timestamp,
    ) -> Result<Vec<Incident>> {
        let (mut incidents, mut ongoing) = (Vec::new(), Vec::<Ongoing>::new());
        let mut next = workers.len() as Process;
        for Planned { at, lasts, fault } in plan::of_workers(self.settings) {
            let at = from.after(at);
            self.end_until(at, workers, &mut ongoing, &mut incidents).await?;
            at.reached().await;
            let began = Timestamp::now();
            if fault.what == What::Kill {
                let worker = &mut workers[fault.slot];
                worker.child.kill().await?;
                // Once it is gone: what it began before that is explained by it.
                let killed = IncidentKind::Killed(Timestamp::now());
                incidents.push(Incident { process: worker.process, what: killed });
                tokio::time::sleep(lasts).await;
                let killed = worker.process;
                *worker = self.start_worker(fault.slot, next)?;
                // Its successor has the same ways.
                let cut = |ongoing: &&mut Ongoing| {
                    ongoing.fault == Fault { slot: fault.slot, what: What::CutFromStore }
                };
                for cut in ongoing.iter_mut().filter(cut) {
                    let span = Span { from: cut.from, to: Timestamp::now() };
                    incidents.push(Incident { process: killed, what: IncidentKind::Paused(span) });
                    cut.process = next;
                }
                next += 1;
                continue;
            }
            let process = workers[fault.slot].process;
            self.begin(fault, &workers[fault.slot])?;
            ongoing.push(Ongoing { until: began.after(lasts), fault, process, from: began });
        }
        let last = Timestamp(u64::MAX);
        self.end_until(last, workers, &mut ongoing, &mut incidents).await?;
        // The broker may be away for longer than the load lasts.
        from.after(self.settings.load).reached().await;
        Ok(incidents)
    }

    fn begin(&self, fault: Fault, worker: &Worker) -> Result<()> {
        let ways = &self.ways[fault.slot];
        match fault.what {
            What::Kill => {}
            What::Freeze => signal(worker, Signal::STOP)?,
            What::CutFromBroker => ways.to_broker.stall(),
            What::CutFromStore => ways.to_store.stall(),
        }
        Ok(())
    }

    /// Ends what ends before then, in its order.
    async fn end_until(
        &self,
        limit: Timestamp,
        workers: &[Worker],
        ongoing: &mut Vec<Ongoing>,
        incidents: &mut Vec<Incident>,
    ) -> Result<()> {
        ongoing.sort_by_key(|ongoing| ongoing.until);
        while ongoing.first().is_some_and(|first| first.until <= limit) {
            let Ongoing { until, fault, process, from } = ongoing.remove(0);
            until.reached().await;
            let (ways, worker) = (&self.ways[fault.slot], &workers[fault.slot]);
            match fault.what {
                What::Freeze if worker.process == process => signal(worker, Signal::CONT)?,
                // Another has its place by now.
                What::Freeze | What::Kill => {}
                What::CutFromBroker => ways.to_broker.resume(),
                What::CutFromStore => ways.to_store.resume(),
            }
            let span = Span { from, to: Timestamp::now() };
            // One that cannot reach its store renews nothing, as if it stood still. To be cut off from the broker is no
            // reason for a second effect.
            if fault.what != What::CutFromBroker {
                incidents.push(Incident { process, what: IncidentKind::Paused(span) });
            }
        }
        Ok(())
    }
}

fn signal(worker: &Worker, signal: Signal) -> Result<()> {
    let pid = worker.child.id().and_then(|id| i32::try_from(id).ok());
    let pid = pid.and_then(Pid::from_raw).context("the worker is gone")?;
    kill_process(pid, signal).context("signalling a worker")
}
