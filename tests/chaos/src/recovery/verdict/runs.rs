//! The runs of each call's body, beside and after each other.

use std::collections::BTreeSet;

use crate::recovery::incidents::Incidents;
use crate::recovery::ledger::{Entry, Event};
use crate::recovery::order::is_once;

/// No run starts a step once another run has started: by then that has the call, and the lease of the first was over
/// before. A step that it had started earlier may still take effect.
///
/// A process that was stopped between the engine's look at the clock and the first line of the body may start what it had
/// decided to. Of a step *at most once* that is looked for in its effects.
pub(super) fn judge_takeovers(
    incidents: &Incidents,
    order: u32,
    entries: &[&Entry],
    faults: &mut Vec<String>,
) {
    let mut owner: Option<&Entry> = None;
    for entry in entries {
        match entry.event {
            Event::Started => owner = Some(entry),
            Event::Entered { step } => {
                let run = entry.run;
                let was_frozen = !is_once(step) && incidents.was_frozen(run.process, entry.at);
                let Some(owner) = owner.filter(|owner| owner.run != run && !was_frozen) else {
                    continue;
                };
                let (late, owner) = (entry.at.since(owner.at).as_millis(), owner.run);
                faults.push(format!(
                    "order {order}: {run:?} started step {step} {late} ms after {owner:?} had the call"
                ));
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

/// Only what is in doubt waits for the judge: recovery finishes all else. A step *at most once* may be in doubt from when
/// it is asked for until any run answers its result, and until the call goes on as the judge has said.
pub(super) fn judge_resolved(order: u32, entries: &[&Entry], faults: &mut Vec<String>) {
    let mut doubtful: BTreeSet<u32> = BTreeSet::new();
    let mut is_resolved = false;
    for Entry { event, .. } in entries {
        match event {
            Event::Started if is_resolved => {
                doubtful.clear();
                is_resolved = false;
            }
            Event::Wanted { step } if is_once(*step) => drop(doubtful.insert(*step)),
            Event::Recorded { step } => drop(doubtful.remove(step)),
            Event::Resolved => {
                // It says so again if it was not heard, and then the step was in doubt the first time.
                if doubtful.is_empty() && !is_resolved {
                    faults.push(format!(
                        "order {order} waited for the judge without a step in doubt"
                    ));
                }
                is_resolved = true;
            }
            _ => {}
        }
    }
}
