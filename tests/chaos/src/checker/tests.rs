//! Histories written by hand: good ones, and one for each way to be bad.

use std::time::Duration;

use idempotent_core::Guarantee;

use super::*;
use crate::ledger::{EffectId, Phase, Said};

const KEY: u32 = 0;
const LEASE: Duration = Duration::from_micros(100);

/// A history in the making: one key, workers 1 and 2.
#[derive(Default)]
struct HistoryBuilder(History);

impl HistoryBuilder {
    fn effect(mut self, process: Process, count: u32, at: u64) -> Self {
        let id = EffectId::new(process, count);
        self.0.effects.push(Effect { id, key: KEY, began: Timestamp(at - 1), at: Timestamp(at) });
        self
    }

    fn answer(self, process: Process, at: u64, said: Said) -> Self {
        self.answer_during(Phase::Load, process, at, said)
    }

    fn answer_during(mut self, during: Phase, process: Process, at: u64, said: Said) -> Self {
        self.0.answers.push((process, Answer { at: Timestamp(at), key: KEY, during, said }));
        self
    }

    fn killed(mut self, process: Process, at: u64) -> Self {
        self.0.incidents.push(Incident { process, what: IncidentKind::Killed(Timestamp(at)) });
        self
    }

    fn paused(mut self, process: Process, from: u64, to: u64) -> Self {
        let span = Span { from: Timestamp(from), to: Timestamp(to) };
        self.0.incidents.push(Incident { process, what: IncidentKind::Paused(span) });
        self
    }

    fn outage(mut self, from: u64, to: u64) -> Self {
        self.0.outages.push(Span { from: Timestamp(from), to: Timestamp(to) });
        self
    }

    /// Worker 2 lives, and finds the key as it should be.
    fn ends_well(self, said: Said) -> Self {
        self.answer_during(Phase::Probe, 2, 9_000, said).lives(2, 0, 0)
    }

    fn lives(mut self, process: Process, tasks: usize, memory: u64) -> Self {
        let before = ResourceUsage { tasks: 10, memory: 100 };
        let after = ResourceUsage { tasks: 10 + tasks, memory: 100 + memory };
        self.0.resources.push((process, before, after));
        self
    }

    fn judged(&self, guarantee: Guarantee, promise: Promise) -> Verdict {
        check(&self.0, &rules(guarantee, promise))
    }

    fn at_least_once(&self, promise: Promise) -> Verdict {
        self.judged(Guarantee::AtLeastOnce, promise)
    }
}

fn rules(guarantee: Guarantee, promise: Promise) -> Rules {
    Rules {
        guarantee,
        promise,
        lease: LEASE,
        keys: 1,
        least_results: 0,
        recovery: Duration::from_micros(500),
        disturbed: false,
        spare_tasks: 4,
        spare_memory: 50,
    }
}

fn executed(process: Process, count: u32) -> Said {
    Said::Executed(EffectId::new(process, count))
}

fn replayed(process: Process, count: u32) -> Said {
    Said::Replayed(EffectId::new(process, count))
}

fn indeterminate() -> Said {
    Said::Refused("indeterminate".to_owned())
}

fn told() -> HistoryBuilder {
    HistoryBuilder::default()
}

/// Both owners took effect; the first is worker 1 at 1,000, the second worker 2 at 2,000.
fn twice() -> HistoryBuilder {
    told().effect(1, 0, 1_000).effect(2, 0, 2_000).ends_well(replayed(2, 0))
}

#[test]
fn one_effect_and_its_replays_are_as_promised() {
    let history = told()
        .effect(1, 0, 1_000)
        .answer(1, 1_001, executed(1, 0))
        .answer(2, 1_500, replayed(1, 0))
        .answer(2, 900, Said::Refused("in_progress".to_owned()))
        .ends_well(replayed(1, 0));

    let verdict = history.at_least_once(Promise::NoDuplicates);

    assert_eq!(verdict.faults, []);
    assert_eq!((verdict.executed, verdict.replayed, verdict.duplicates()), (1, 1, 0));
    assert_eq!(verdict.refused["in_progress"], 1);
}

#[test]
fn a_second_effect_that_nothing_explains_breaks_every_promise() {
    for promise in [Promise::NoDuplicates, Promise::OwnersLost, Promise::FaultsOnly] {
        let verdict = twice().at_least_once(promise);
        assert!(
            matches!(verdict.faults[..], [Fault::Duplicate(found)] if found.cause == Cause::Unexplained),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_second_effect_after_its_owner_was_killed_is_allowed_where_owners_may_be_lost() {
    let history = twice().killed(1, 1_010).answer(2, 2_001, executed(2, 0));

    assert_eq!(history.at_least_once(Promise::OwnersLost).faults, []);
    assert!(!history.at_least_once(Promise::NoDuplicates).is_kept());
    assert_eq!(history.at_least_once(Promise::OwnersLost).duplicates[&Cause::OwnerKilled], 1);
}

#[test]
fn a_kill_after_the_second_effect_began_explains_nothing() {
    let verdict = twice().killed(1, 2_000).at_least_once(Promise::OwnersLost);
    assert_eq!(verdict.duplicates.get(&Cause::Unexplained), Some(&1));
}

#[test]
fn a_kill_of_the_second_owner_explains_nothing() {
    let verdict = twice().killed(2, 2_500).at_least_once(Promise::OwnersLost);
    assert_eq!(verdict.duplicates.get(&Cause::Unexplained), Some(&1));
}

#[test]
fn a_kill_after_the_effect_was_answered_explains_nothing() {
    let history = twice().killed(1, 1_500).answer(1, 1_400, executed(1, 0));
    let verdict = history.at_least_once(Promise::OwnersLost);
    assert_eq!(verdict.duplicates.get(&Cause::Unexplained), Some(&1));
}

#[test]
fn an_owner_that_stood_still_explains_a_second_effect_and_another_answer() {
    let history = twice().paused(1, 950, 2_100).answer(1, 2_200, executed(1, 0)).answer(
        2,
        2_001,
        executed(2, 0),
    );
    assert_eq!(history.at_least_once(Promise::OwnersLost).faults, []);
}

#[test]
fn a_pause_long_before_explains_nothing() {
    let verdict = twice().paused(1, 100, 800).at_least_once(Promise::OwnersLost);
    assert_eq!(verdict.duplicates.get(&Cause::Unexplained), Some(&1));
}

#[test]
fn a_servers_fault_explains_a_second_effect_only_where_the_row_says_so() {
    let history = twice().outage(1_500, 1_600);
    assert_eq!(history.at_least_once(Promise::FaultsOnly).faults, []);
    assert!(!history.at_least_once(Promise::OwnersLost).is_kept());
}

#[test]
fn a_servers_fault_that_was_over_explains_nothing() {
    let verdict = twice().outage(100, 800).at_least_once(Promise::FaultsOnly);
    assert_eq!(verdict.duplicates.get(&Cause::Unexplained), Some(&1));
}

#[test]
fn an_answer_without_an_effect_is_found() {
    let verdict = told().ends_well(replayed(1, 5)).at_least_once(Promise::FaultsOnly);
    let effect = EffectId::new(1, 5);
    assert_eq!(verdict.faults, [Fault::NoEffect { key: KEY, effect }]);
}

#[test]
fn an_answer_with_the_effect_of_another_key_is_found() {
    let mut history = told().effect(1, 0, 1_000).ends_well(replayed(1, 0));
    history.0.effects[0].key = 7;
    let verdict = history.at_least_once(Promise::FaultsOnly);
    let effect = EffectId::new(1, 0);
    assert_eq!(verdict.faults, [Fault::NoEffect { key: KEY, effect }]);
}

#[test]
fn a_call_that_claims_anothers_effect_is_found() {
    let history =
        told().effect(1, 0, 1_000).answer(2, 1_500, executed(1, 0)).ends_well(replayed(1, 0));
    let verdict = history.at_least_once(Promise::FaultsOnly);
    let effect = EffectId::new(1, 0);
    assert_eq!(verdict.faults, [Fault::NotItsOwn { key: KEY, effect, process: 2 }]);
}

#[test]
fn two_calls_that_claim_one_effect_are_found() {
    let history = told()
        .effect(1, 0, 1_000)
        .answer(1, 1_500, executed(1, 0))
        .answer(1, 1_600, executed(1, 0))
        .ends_well(replayed(1, 0));
    let verdict = history.at_least_once(Promise::FaultsOnly);
    let effect = EffectId::new(1, 0);
    assert_eq!(verdict.faults, [Fault::NotItsOwn { key: KEY, effect, process: 1 }]);
}

#[test]
fn answers_that_differ_are_found_though_the_duplicate_is_allowed() {
    // The owner was killed, so nobody may know of its effect: yet somebody replayed it.
    let mut history = twice().killed(1, 1_010);
    history = history.answer(2, 2_100, replayed(2, 0));
    assert_eq!(history.at_least_once(Promise::OwnersLost).faults, []);

    let verdict = history.answer(2, 2_200, replayed(1, 0)).at_least_once(Promise::OwnersLost);

    assert!(
        verdict.faults.iter().any(|fault| matches!(fault, Fault::Disagreement { key: KEY, .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_key_that_is_in_progress_after_its_lease_is_stuck() {
    let history = told().ends_well(Said::Refused("in_progress".to_owned()));
    let verdict = history.at_least_once(Promise::FaultsOnly);
    assert!(matches!(verdict.faults[..], [Fault::Stuck { key: KEY, process: 2, .. }]));
}

#[test]
fn a_key_that_a_survivor_did_not_ask_for_is_stuck() {
    let verdict = told().lives(1, 0, 0).at_least_once(Promise::FaultsOnly);
    assert!(matches!(verdict.faults[..], [Fault::Stuck { key: KEY, process: 1, .. }]));
}

#[test]
fn an_indeterminate_key_is_well_once_resolving_it_freed_it() {
    let history = told()
        .effect(1, 0, 1_000)
        .killed(1, 1_010)
        .ends_well(indeterminate())
        .answer_during(Phase::Resolved, 2, 9_500, replayed(1, 0));

    let verdict = history.judged(Guarantee::AtMostOnce, Promise::NoDuplicates);

    assert_eq!(verdict.faults, []);
    assert_eq!(verdict.indeterminate, 1);
}

#[test]
fn an_indeterminate_key_that_resolving_did_not_free_is_stuck() {
    let history =
        told().ends_well(indeterminate()).answer_during(Phase::Resolved, 2, 9_500, indeterminate());
    let verdict = history.judged(Guarantee::AtMostOnce, Promise::NoDuplicates);
    assert!(matches!(verdict.faults[..], [Fault::Stuck { key: KEY, .. }]));
}

#[test]
fn at_least_once_knows_no_indeterminate_keys() {
    let history = told().effect(1, 0, 1_000).ends_well(indeterminate()).answer_during(
        Phase::Resolved,
        2,
        9_500,
        replayed(1, 0),
    );
    let verdict = history.at_least_once(Promise::FaultsOnly);
    assert!(matches!(verdict.faults[..], [Fault::Stuck { key: KEY, .. }]));
}

#[test]
fn tasks_and_memory_that_stay_behind_are_found() {
    let verdict = twice().killed(1, 1_010).lives(3, 5, 51).at_least_once(Promise::OwnersLost);
    let left = |fault: &&Fault| !matches!(fault, Fault::Stuck { .. });
    let left: Vec<_> = verdict.faults.iter().filter(left).collect();
    assert!(
        matches!(left[..], [Fault::Tasks { process: 3, .. }, Fault::Memory { process: 3, .. }]),
        "{left:?}"
    );
}

#[test]
fn a_worker_that_hangs_is_found() {
    let mut history = twice().killed(1, 1_010);
    history.0.hung.push(2);
    let verdict = history.at_least_once(Promise::OwnersLost);
    assert_eq!(verdict.faults, [Fault::Hung { process: 2 }]);
}

#[test]
fn a_run_that_nobody_survived_proves_nothing() {
    let verdict = told().at_least_once(Promise::FaultsOnly);
    assert_eq!(verdict.faults, [Fault::NobodyLeft]);
}

#[test]
fn a_load_that_nothing_came_of_proves_nothing() {
    let history = told().effect(1, 0, 1_000).answer(1, 1_001, executed(1, 0));
    let rules = rules(Guarantee::AtLeastOnce, Promise::NoDuplicates);
    let history = history.ends_well(replayed(1, 0)).0;

    let verdict = check(&history, &Rules { least_results: 2, ..rules });

    assert_eq!(verdict.faults, [Fault::Idle { results: 1 }]);
    assert!(check(&history, &Rules { least_results: 1, ..rules }).is_kept());
}

/// Worker 1 was there before the fault, which ends at 2,000, and has a body that began at 2,300.
fn after_a_fault() -> HistoryBuilder {
    told()
        .answer(1, 900, Said::Refused("in_progress".to_owned()))
        .outage(1_000, 2_000)
        .answer(1, 2_200, Said::Refused("store_unavailable".to_owned()))
        .effect(1, 0, 2_301)
        .answer(1, 2_310, executed(1, 0))
        .ends_well(replayed(1, 0))
}

#[test]
fn the_first_body_that_began_after_a_fault_says_how_long_its_worker_took() {
    let verdict = after_a_fault().at_least_once(Promise::FaultsOnly);
    assert_eq!(verdict.faults, []);
    assert_eq!(verdict.recovery, Some(Duration::from_micros(300)));
}

#[test]
fn a_worker_that_takes_too_long_after_a_fault_is_found() {
    let history = after_a_fault().0;
    let rules = rules(Guarantee::AtLeastOnce, Promise::FaultsOnly);
    let took = Duration::from_micros(300);

    let verdict = check(&history, &Rules { recovery: Duration::from_micros(299), ..rules });

    assert_eq!(verdict.faults, [Fault::Slow { process: 1, took }]);
}

#[test]
fn a_worker_that_only_refuses_after_a_fault_took_as_long_as_it_did_so() {
    let history = told()
        .answer(1, 900, Said::Refused("in_progress".to_owned()))
        .outage(1_000, 2_000)
        .answer(1, 2_200, Said::Refused("store_unavailable".to_owned()))
        .answer(1, 2_900, Said::Refused("store_unavailable".to_owned()))
        .effect(2, 0, 9_000)
        .ends_well(executed(2, 0));

    let verdict = history.at_least_once(Promise::FaultsOnly);

    let took = Duration::from_micros(900);
    assert_eq!(verdict.faults, [Fault::Slow { process: 1, took }]);
}

#[test]
fn a_worker_that_was_kept_from_the_server_or_came_later_says_nothing_of_the_server() {
    let paused = after_a_fault().paused(1, 2_100, 2_299).at_least_once(Promise::FaultsOnly);
    assert_eq!((paused.faults, paused.recovery), (vec![], None));
    let mut held = after_a_fault();
    let span = Span { from: Timestamp(1_500), to: Timestamp(2_100) };
    held.0.incidents.push(Incident { process: 1, what: IncidentKind::PoolHeld(span) });
    assert_eq!(held.at_least_once(Promise::FaultsOnly).recovery, None);
    let mut later = after_a_fault();
    later.0.answers.retain(|(_, answer)| answer.at > Timestamp(1_000));
    assert_eq!(later.at_least_once(Promise::FaultsOnly).recovery, None);
}

#[test]
fn a_run_whose_applications_left_their_pools_alone_proves_nothing() {
    let mut history = after_a_fault().0;
    let rules = rules(Guarantee::AtLeastOnce, Promise::FaultsOnly);
    let rules = Rules { disturbed: true, ..rules };

    assert_eq!(check(&history, &rules).faults, [Fault::Undisturbed]);
    history.disturbance.held = 1;
    assert!(check(&history, &rules).is_kept());
}
