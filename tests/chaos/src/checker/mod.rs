//! Whether a run kept its promises: pure functions over what was written down.
//!
//! What must always hold, whatever befell workers and servers: no answer without its effect, no
//! two owners of one effect, answers of a key all equal unless something explains a second effect,
//! every key usable once the faults and the leases are over, every worker able to use a store soon after its
//! server's fault, nothing left behind in a worker. How
//! many second effects a row allows, and by which causes, is the row's own promise.

mod answers;
mod duplicates;
mod recovery;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use idempotent_core::Guarantee;

pub use self::duplicates::{Cause, Duplicate};
pub use self::verdict::{Fault, Verdict};
use crate::ledger::{Answer, Disturbance, Effect, Process, ResourceUsage};
use crate::row::Promise;
use crate::timestamp::Timestamp;

/// All that is known of a run when it is over.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every effect, in any order.
    pub effects: Vec<Effect>,
    /// Every answer, with the process whose caller got it.
    pub answers: Vec<(Process, Answer)>,
    /// What befell workers.
    pub incidents: Vec<Incident>,
    /// When servers were not as they should be.
    pub outages: Vec<Span>,
    /// What applications did to their own pools.
    pub disturbance: Disturbance,
    /// What the workers that lived to the end held, before and after.
    pub resources: Vec<(Process, ResourceUsage, ResourceUsage)>,
    /// Workers that did not end what they had begun.
    pub hung: Vec<Process>,
}

/// What befell a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Which process.
    pub process: Process,
    /// What.
    pub what: IncidentKind,
}

/// The kinds of [`Incident`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// It was killed.
    Killed(Timestamp),
    /// It stood still.
    Paused(Span),
    /// Its application held every connection of its pool. That is no reason for a second effect.
    PoolHeld(Span),
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
}

impl Span {
    /// Whether they share a moment.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// What a run is held to.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What a lapse means.
    pub guarantee: Guarantee,
    /// Which second effects are allowed.
    pub promise: Promise,
    /// How long a reservation outlives its owner.
    pub lease: Duration,
    /// How many keys there are.
    pub keys: u32,
    /// How many operations of the load must have had a result: a run that nothing came of keeps
    /// every promise.
    pub least_results: usize,
    /// How soon after a server's fault every worker must be able to use it again.
    pub recovery: Duration,
    /// Whether applications were to disturb their own pools.
    pub disturbed: bool,
    /// How many more tasks than before the load a worker may have after it.
    pub spare_tasks: usize,
    /// How much more memory, in bytes.
    pub spare_memory: u64,
}

/// Judges a run.
#[must_use]
pub fn check(history: &History, rules: &Rules) -> Verdict {
    let effects = by_key(history);
    let duplicates = duplicates::find(history, &effects, rules);
    let mut faults = Vec::new();
    duplicates::judge(&duplicates, rules, &mut faults);
    answers::judge(history, &effects, &duplicates, &mut faults);
    answers::judge_probes(history, rules, &mut faults);
    judge_workers(history, rules, &mut faults);
    let recovery = recovery::judge(history, rules, &mut faults);
    if rules.disturbed && history.disturbance == Disturbance::default() {
        faults.push(Fault::Undisturbed);
    }
    let mut verdict = Verdict::new(history, &effects, duplicates, faults);
    verdict.recovery = recovery;
    let results = verdict.executed + verdict.replayed;
    if results < rules.least_results {
        verdict.faults.push(Fault::Idle { results });
    }
    verdict
}

/// The effects of each key, in order.
type Effects = BTreeMap<u32, Vec<Effect>>;

fn by_key(history: &History) -> Effects {
    let mut effects = Effects::new();
    for effect in &history.effects {
        effects.entry(effect.key).or_default().push(*effect);
    }
    effects.values_mut().for_each(|of_key| of_key.sort_by_key(|effect| (effect.at, effect.id)));
    effects
}

/// Second effects of a key, with their causes.
pub(crate) fn duplicates(history: &History, rules: &Rules) -> Vec<Duplicate> {
    duplicates::find(history, &by_key(history), rules)
}

/// Whether workers ended what they had begun, and kept nothing.
pub(crate) fn judge_workers(history: &History, rules: &Rules, faults: &mut Vec<Fault>) {
    for &process in &history.hung {
        faults.push(Fault::Hung { process });
    }
    for &(process, before, after) in &history.resources {
        if after.tasks > before.tasks + rules.spare_tasks {
            faults.push(Fault::Tasks { process, before: before.tasks, after: after.tasks });
        }
        if after.memory > before.memory + rules.spare_memory {
            faults.push(Fault::Memory { process, before: before.memory, after: after.memory });
        }
    }
}
