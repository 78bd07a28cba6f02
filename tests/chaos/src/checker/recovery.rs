//! How soon after a fault of a server its workers can use it again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use idempotent_core::ErrorKind;

use super::verdict::Fault;
use super::{History, IncidentKind, Rules, Span};
use crate::ledger::{Answer, EffectId, Phase, Process, Said};
use crate::timestamp::Timestamp;

/// The longest that a worker took, after any fault, from its end to a body that began after it: somebody
/// wrote a reservation then.
pub(super) fn judge(history: &History, rules: &Rules, faults: &mut Vec<Fault>) -> Option<Duration> {
    let began: HashMap<EffectId, Timestamp> =
        history.effects.iter().map(|effect| (effect.id, effect.began)).collect();
    let mut by_process: BTreeMap<Process, Vec<&Answer>> = BTreeMap::new();
    for (process, answer) in &history.answers {
        if answer.during == Phase::Load {
            by_process.entry(*process).or_default().push(answer);
        }
    }
    let mut longest = None;
    for (at, outage) in history.outages.iter().enumerate() {
        let to = history.outages.get(at + 1).map_or(Timestamp(u64::MAX), |next| next.from);
        let window = Span { from: outage.to, to };
        for (&process, answers) in &by_process {
            let Some(took) = took(answers, &began, window) else { continue };
            if was_kept_from_it(history, process, window.from, took) {
                continue;
            }
            longest = longest.max(Some(took));
            if took > rules.recovery {
                faults.push(Fault::Slow { process, took });
            }
        }
    }
    longest
}

/// How long one worker took. Where none of its bodies began within the window, its last refusal counts.
fn took(
    answers: &[&Answer],
    began: &HashMap<EffectId, Timestamp>,
    window: Span,
) -> Option<Duration> {
    // A worker that was started later has its own start to wait for.
    answers.iter().find(|answer| answer.at < window.from)?;
    let within = |at: &Timestamp| (window.from..window.to).contains(at);
    let first = answers.iter().filter_map(|answer| match answer.said {
        Said::Executed(effect) => began.get(&effect).copied().filter(within),
        _ => None,
    });
    let code = ErrorKind::Store.code();
    let refusals = answers.iter().filter_map(|answer| match &answer.said {
        Said::Refused(said) if said == code => Some(answer.at).filter(within),
        _ => None,
    });
    first.min().or(refusals.max()).map(|at| at.since(window.from))
}

/// Whether the worker stood still meanwhile, or its application let the store have no connection.
fn was_kept_from_it(history: &History, process: Process, from: Timestamp, took: Duration) -> bool {
    let waited = Span { from, to: from.after(took) };
    history.incidents.iter().any(|incident| match incident.what {
        IncidentKind::Paused(span) | IncidentKind::PoolHeld(span) => {
            incident.process == process && span.meets(waited)
        }
        IncidentKind::Killed(_) => false,
    })
}
