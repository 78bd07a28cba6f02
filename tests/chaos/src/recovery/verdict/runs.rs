//! The runs of each call's body, beside and after each other.

use std::collections::BTreeSet;

use crate::recovery::ledger::{Entry, Event, Run};

/// No run starts a step once another run has started: by then that has the call, and the lease of the first was over
/// before. A step that it had started earlier may still take effect.
pub(super) fn judge_takeovers(order: u32, entries: &[&Entry], faults: &mut Vec<String>) {
    let mut owner: Option<&Entry> = None;
    for entry in entries {
        match entry.event {
            Event::Started => owner = Some(entry),
            Event::Entered { step } => {
                if let Some(owner) = owner.filter(|owner| owner.run != entry.run) {
                    let late = entry.at.since(owner.at).as_millis();
                    let (run, owner) = (entry.run, owner.run);
                    faults.push(format!(
                        "order {order}: {run:?} started step {step} {late} ms after {owner:?} had the call"
                    ));
                }
            }
            _ => {}
        }
    }
}

/// No step starts again once it has answered its result.
pub(super) fn judge_repeats(order: u32, entries: &[&Entry], faults: &mut Vec<String>) {
    let mut recorded: BTreeSet<u32> = BTreeSet::new();
    for entry in entries {
        match entry.event {
            Event::Recorded { step } => drop(recorded.insert(step)),
            Event::Entered { step } if recorded.contains(&step) => {
                let run = entry.run;
                faults.push(format!("order {order}: {run:?} ran step {step}, which was recorded"));
            }
            _ => {}
        }
    }
}

/// Only what is in doubt waits for the judge: recovery finishes all else. A step *at most once* may be in doubt from when it
/// is asked for until it answers.
pub(super) fn judge_resolved(order: u32, entries: &[&Entry], faults: &mut Vec<String>) {
    let mut doubtful: BTreeSet<(Run, u32)> = BTreeSet::new();
    let mut was_refused = false;
    for Entry { run, event, .. } in entries {
        match event {
            Event::Wanted { step } if crate::recovery::order::is_once(*step) => {
                doubtful.insert((*run, *step));
            }
            Event::Recorded { step } => drop(doubtful.remove(&(*run, *step))),
            Event::Ended { code, .. } => was_refused |= code == "indeterminate",
            Event::Resolved if doubtful.is_empty() && !was_refused => {
                faults.push(format!("order {order} waited for the judge without a step in doubt"));
            }
            _ => {}
        }
    }
}
