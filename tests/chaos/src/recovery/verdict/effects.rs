//! The effects of each step: how many, by which keys, and of which runs.

use std::collections::{BTreeMap, BTreeSet};

use super::Evidence;
use crate::recovery::ledger::{Entry, Event, Run};
use crate::recovery::order::{STEPS, is_once, result};

/// What the effects have shown.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) count: usize,
    /// How many of them a provider would have dropped, since it had their keys already.
    pub(super) repeated: usize,
    /// Calls whose steps had effects in more than one process.
    pub(super) resumed: usize,
}

pub(super) fn judge(evidence: &Evidence<'_>, faults: &mut Vec<String>) -> Effects {
    let mut of_step: BTreeMap<(u32, u32), Vec<(&str, Run)>> = BTreeMap::new();
    let mut of_key: BTreeMap<&str, BTreeSet<(u32, u32)>> = BTreeMap::new();
    let mut processes: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for Entry { order, run, event, .. } in evidence.entries {
        let Event::Effect { step, key } = event else { continue };
        of_step.entry((*order, *step)).or_default().push((key, *run));
        of_key.entry(key).or_default().insert((*order, *step));
        processes.entry(*order).or_default().insert(run.process);
    }
    for ((order, step), effects) in &of_step {
        let keys: BTreeSet<&str> = effects.iter().map(|(key, _)| *key).collect();
        if is_once(*step) && effects.len() > 1 {
            faults.push(format!(
                "order {order}: step {step} ran {} times: {effects:?}",
                effects.len()
            ));
        }
        if keys.len() > 1 || keys.contains("") {
            faults.push(format!("order {order}: step {step} was sent with the keys {keys:?}"));
        }
    }
    for (key, steps) in of_key.iter().filter(|(_, steps)| steps.len() > 1) {
        faults.push(format!("the key {key} was sent by several steps: {steps:?}"));
    }
    for order in evidence.findings.results.keys() {
        for step in (0..STEPS).filter(|step| !of_step.contains_key(&(*order, *step))) {
            faults.push(format!("order {order} ended, and step {step} had no effect"));
        }
    }
    let count = of_step.values().map(Vec::len).sum();
    let resumed = processes.values().filter(|processes| processes.len() > 1).count();
    Effects { count, repeated: count - of_step.len(), resumed }
}

/// Whatever anybody was told is what an uninterrupted run returns.
pub(super) fn judge_results(evidence: &Evidence<'_>, faults: &mut Vec<String>) {
    let told = evidence.entries.iter().filter_map(|entry| match entry.event {
        Event::Answered { result } => Some((entry.order, result)),
        _ => None,
    });
    let found = evidence.findings.results.iter().map(|(order, result)| (*order, *result));
    let wrong = told.chain(found).filter(|(order, told)| *told != result(*order));
    for (order, told) in wrong.collect::<BTreeSet<_>>() {
        faults.push(format!("order {order} returned {told}, not {}", result(order)));
    }
}
