//! What a run has shown, and which promises it broke.
//!
//! A verdict is a pure function of the [`Evidence`]: the ledgers, what the judge found, and what befell the run.

mod effects;
mod runs;
mod stuck;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Settings;
use super::incidents::Incidents;
use super::judge::Findings;
use super::ledger::Entry;

/// What a run has shown.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verdict {
    /// How many calls there were.
    pub orders: usize,
    /// How many effects their steps had.
    pub effects: usize,
    /// How many of them a provider would have dropped, since it had their keys already: the step was interrupted before it
    /// was recorded.
    pub repeated: usize,
    /// Calls whose steps ran in more than one process.
    pub resumed: usize,
    /// Steps that were *at most once* and in doubt.
    pub in_doubt: usize,
    /// Calls whose client died before they began.
    pub never_begun: usize,
    /// How many workers were killed.
    pub kills: usize,
    /// How many were stopped for longer than a lease.
    pub freezes: usize,
    /// How many faults of servers there were.
    pub server_faults: usize,
    /// The longest time for which nobody ran a call that had to go on, without that in which no worker reached the store.
    pub longest_stuck: Duration,
    /// How often a call was stuck for longer than that may be, and not since the last worker died or was stopped.
    pub excused: usize,
    /// What that may be.
    pub allowed_stuck: Duration,
    /// How long after the faults and the leases every call had ended.
    pub took: Duration,
    /// The promises that were broken.
    pub faults: Vec<String>,
}

/// All that is known of a run when it is over.
pub(super) struct Evidence<'a> {
    pub(super) settings: &'a Settings,
    /// In the order in which they were written.
    pub(super) entries: &'a [Entry],
    pub(super) findings: &'a Findings,
    pub(super) incidents: &'a Incidents,
}

/// Compares what was found with what is promised.
pub(super) fn verdict(evidence: &Evidence<'_>) -> Verdict {
    let Evidence { settings, entries, findings, incidents } = evidence;
    let mut faults = Vec::new();
    for (order, why) in &findings.unfinished {
        faults.push(format!("order {order} has not ended: {why}"));
    }
    for order in &findings.forgotten {
        faults.push(format!("order {order} had started and was forgotten"));
    }
    for order in &findings.waited_in_vain {
        faults.push(format!("order {order} waited in vain: no step of it was in doubt"));
    }
    let ended = findings.results.len() + findings.unfinished.len();
    if ended < settings.orders as usize {
        faults.push(format!("only {ended} of {} calls were found", settings.orders));
    }
    effects::judge_results(evidence, &mut faults);
    let effects = effects::judge(evidence, &mut faults);
    let mut of_order: BTreeMap<u32, Vec<&Entry>> = BTreeMap::new();
    for entry in *entries {
        of_order.entry(entry.order).or_default().push(entry);
    }
    let (mut longest_stuck, mut excused) = (Duration::ZERO, 0);
    for (order, entries) in of_order {
        runs::judge_takeovers(incidents, order, &entries, &mut faults);
        runs::judge_repeats(order, &entries, &mut faults);
        runs::judge_resolved(order, &entries, &mut faults);
        let stuck = stuck::judge(evidence, order, &entries, &mut faults);
        longest_stuck = longest_stuck.max(stuck.longest);
        excused += stuck.excused;
    }
    Verdict {
        orders: settings.orders as usize,
        effects: effects.count,
        repeated: effects.repeated,
        resumed: effects.resumed,
        in_doubt: findings.resolved as usize,
        never_begun: findings.begun_late.len(),
        kills: incidents.kills.len(),
        freezes: incidents.freezes.len(),
        server_faults: incidents.server_faults.len(),
        longest_stuck,
        excused,
        allowed_stuck: stuck::allowed(settings.lease),
        took: findings.took,
        faults,
    }
}

impl Verdict {
    /// Adds another run of the same row.
    pub fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.effects += other.effects;
        self.repeated += other.repeated;
        self.resumed += other.resumed;
        self.in_doubt += other.in_doubt;
        self.never_begun += other.never_begun;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.server_faults += other.server_faults;
        self.excused += other.excused;
        self.longest_stuck = self.longest_stuck.max(other.longest_stuck);
        self.allowed_stuck = self.allowed_stuck.max(other.allowed_stuck);
        self.took = self.took.max(other.took);
        self.faults.extend(other.faults);
    }
}

impl fmt::Display for Verdict {
    /// A row of the table in the documentation, without its first columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, effects, repeated, resumed, in_doubt, kills, freezes, .. } = self;
        let (stuck, allowed) = (self.longest_stuck.as_millis(), self.allowed_stuck.as_millis());
        let excused = match self.excused {
            0 => String::new(),
            excused => format!(", {excused} from a loss on"),
        };
        let (faults, broken) = (self.server_faults, self.faults.len());
        write!(
            f,
            "{orders} | {kills} | {freezes} | {faults} | {effects} | {resumed} | {repeated} | {in_doubt} | {stuck} of {allowed} ms{excused} | {broken} |"
        )
    }
}
