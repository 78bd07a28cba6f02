//! What callers were told, held against what happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use idempotent_core::{ErrorKind, Guarantee};

use super::verdict::Fault;
use super::{Cause, Duplicate, Effects, History, Rules};
use crate::ledger::{EffectId, Phase, Process, Said};

/// The effects behind the answers: they exist, they are of that key, and whoever claims to have
/// executed did.
pub(super) fn judge(
    history: &History,
    effects: &Effects,
    duplicates: &[Duplicate],
    faults: &mut Vec<Fault>,
) {
    let keys: HashMap<EffectId, u32> =
        effects.values().flatten().map(|effect| (effect.id, effect.key)).collect();
    let mut told: BTreeMap<u32, BTreeSet<EffectId>> = BTreeMap::new();
    let mut executed = BTreeSet::new();
    for (process, answer) in &history.answers {
        let (effect, claims) = match answer.said {
            Said::Executed(effect) => (effect, true),
            Said::Replayed(effect) => (effect, false),
            Said::Declined | Said::Refused(_) => continue,
        };
        told.entry(answer.key).or_default().insert(effect);
        if keys.get(&effect) != Some(&answer.key) {
            faults.push(Fault::NoEffect { key: answer.key, effect });
        }
        if claims && !(effect.process() == *process && executed.insert(effect)) {
            faults.push(Fault::NotItsOwn { key: answer.key, effect, process: *process });
        }
    }
    for (key, told) in told {
        if told.len() > 1 && !may_differ(key, duplicates) {
            faults.push(Fault::Disagreement { key, told: told.into_iter().collect() });
        }
    }
}

/// An owner that was killed answered nobody, so its duplicate is no reason for two answers. One
/// that was paused or cut off answers its own caller with what it did.
fn may_differ(key: u32, duplicates: &[Duplicate]) -> bool {
    duplicates.iter().any(|found| {
        found.key == key && matches!(found.cause, Cause::OwnerPaused | Cause::ServerFault)
    })
}

/// Once the faults and the leases are over every worker finds every key usable, and what is
/// indeterminate becomes usable by resolving it.
pub(super) fn judge_probes(history: &History, rules: &Rules, faults: &mut Vec<Fault>) {
    let survivors: BTreeSet<Process> =
        history.resources.iter().map(|(process, ..)| *process).collect();
    let mut probed: BTreeMap<(Process, u32), &Said> = BTreeMap::new();
    let mut resolved: BTreeMap<(Process, u32), &Said> = BTreeMap::new();
    for (process, answer) in &history.answers {
        match answer.during {
            Phase::Load => continue,
            Phase::Probe => probed.insert((*process, answer.key), &answer.said),
            Phase::Resolved => resolved.insert((*process, answer.key), &answer.said),
        };
    }
    for process in survivors {
        for key in 0..rules.keys {
            let mut said = probed.get(&(process, key)).copied();
            if rules.guarantee == Guarantee::AtMostOnce && said.is_some_and(is_indeterminate) {
                said = resolved.get(&(process, key)).copied();
            }
            if !said.is_some_and(is_usable) {
                let said = said.map_or_else(|| "no answer".to_owned(), describe);
                faults.push(Fault::Stuck { key, process, said });
            }
        }
    }
    if history.resources.is_empty() {
        faults.push(Fault::NobodyLeft);
    }
}

fn is_usable(said: &Said) -> bool {
    matches!(said, Said::Executed(_) | Said::Replayed(_))
}

fn is_indeterminate(said: &Said) -> bool {
    matches!(said, Said::Refused(code) if code == ErrorKind::Indeterminate.code())
}

fn describe(said: &Said) -> String {
    match said {
        Said::Executed(_) => "executed".to_owned(),
        Said::Replayed(_) => "replayed".to_owned(),
        Said::Declined => "declined".to_owned(),
        Said::Refused(code) => code.clone(),
    }
}
