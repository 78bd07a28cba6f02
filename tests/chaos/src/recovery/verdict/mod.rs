//! What a run has shown, and which promises it broke.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::Settings;
use super::effects::Effect;
use super::judge::Findings;
use super::order::{STEPS, is_once, result};

/// What a run has shown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// How many calls there were.
    pub orders: u32,
    /// How many effects their steps had.
    pub effects: usize,
    /// How many of them a provider would have dropped, since it had their keys already: the step was interrupted before it
    /// was recorded.
    pub repeated: usize,
    /// Calls whose steps ran in more than one process.
    pub resumed: usize,
    /// Steps that were *at most once* and in doubt.
    pub in_doubt: u32,
    /// Calls whose client died before they began.
    pub never_begun: usize,
    /// How long after the faults and the leases every call had ended.
    pub took: Duration,
    /// The promises that were broken.
    pub faults: Vec<String>,
}

/// Compares what was found with what is promised.
pub(super) fn verdict(settings: &Settings, effects: &[Effect], findings: &Findings) -> Verdict {
    let mut faults = Vec::new();
    let mut of_step: BTreeMap<(u32, u32), Vec<&Effect>> = BTreeMap::new();
    let mut processes: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for effect in effects {
        of_step.entry((effect.order, effect.step)).or_default().push(effect);
        processes.entry(effect.order).or_default().insert(effect.process);
    }
    let mut repeated = 0;
    for ((order, step), effects) in &of_step {
        let keys: BTreeSet<&str> = effects.iter().map(|effect| &*effect.key).collect();
        repeated += effects.len() - 1;
        if is_once(*step) && effects.len() > 1 {
            faults.push(format!("order {order}: step {step} ran {} times", effects.len()));
        }
        if keys.len() > 1 || keys.contains("") {
            faults.push(format!("order {order}: step {step} was sent with the keys {keys:?}"));
        }
    }
    for (order, why) in &findings.unfinished {
        faults.push(format!("order {order} has not ended: {why}"));
    }
    for order in &findings.forgotten {
        faults.push(format!("order {order} had started and was forgotten"));
    }
    for (order, returned) in &findings.results {
        if *returned != result(*order) {
            faults.push(format!("order {order} returned {returned}, not {}", result(*order)));
        }
        for step in (0..STEPS).filter(|step| !of_step.contains_key(&(*order, *step))) {
            faults.push(format!("order {order} ended, and step {step} had no effect"));
        }
    }
    let ended = findings.results.len() + findings.unfinished.len();
    if ended < settings.orders as usize {
        faults.push(format!("only {ended} of {} calls were found", settings.orders));
    }
    Verdict {
        orders: settings.orders,
        effects: effects.len(),
        repeated,
        resumed: processes.values().filter(|processes| processes.len() > 1).count(),
        in_doubt: findings.resolved,
        never_begun: findings.begun_late.len(),
        took: findings.took,
        faults,
    }
}

impl fmt::Display for Verdict {
    /// A row of the table in the documentation, without its first columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, effects, repeated, resumed, in_doubt, never_begun, took, faults } = self;
        let kept = if faults.is_empty() { "yes" } else { "NO" };
        let took = took.as_millis();
        write!(
            f,
            "{orders} | {effects} | {resumed} | {repeated} | {in_doubt} | {never_begun} | {took} ms | {kept} |"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::rows;

    fn honest() -> (Vec<Effect>, Findings) {
        let effect = |step| Effect { order: 0, step, key: format!("k{step}"), process: 0 };
        let effects = (0..STEPS).map(effect).collect();
        let results = BTreeMap::from([(0, result(0))]);
        (effects, Findings { results, ..Findings::default() })
    }

    fn judged(effects: &[Effect], findings: &Findings) -> Verdict {
        let (_, mut settings) = rows(std::path::Path::new("chaos")).remove(0);
        settings.orders = 1;
        verdict(&settings, effects, findings)
    }

    #[test]
    fn an_honest_run_keeps_its_promises_and_repeats_by_the_same_key() {
        let (mut effects, findings) = honest();
        assert_eq!(judged(&effects, &findings).faults, [""; 0]);
        effects.push(Effect { process: 1, ..effects[0].clone() });
        let verdict = judged(&effects, &findings);
        assert_eq!((verdict.repeated, verdict.resumed, verdict.faults.len()), (1, 1, 0));
    }

    #[test]
    fn every_broken_promise_is_found() {
        let (effects, findings) = honest();
        let mut twice = effects.clone();
        twice.push(effects[2].clone());
        assert!(judged(&twice, &findings).faults[0].contains("step 2 ran 2 times"));
        let mut anew = effects.clone();
        anew.push(Effect { key: "another".to_owned(), ..effects[0].clone() });
        assert!(judged(&anew, &findings).faults[0].contains("was sent with the keys"));
        assert!(judged(&effects[1..], &findings).faults[0].contains("step 0 had no effect"));
        let wrong = Findings { results: BTreeMap::from([(0, 1)]), ..findings.clone() };
        assert!(judged(&effects, &wrong).faults[0].contains("returned 1"));
        let forgotten = Findings { forgotten: vec![0], ..findings };
        assert!(judged(&effects, &forgotten).faults[0].contains("forgotten"));
        let lost = judged(&effects, &Findings::default());
        assert!(lost.faults[0].contains("only 0 of 1"), "{lost:?}");
    }
}
