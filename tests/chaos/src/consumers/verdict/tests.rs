//! A run that kept its promises, and one fault planted at a time.

use idempotent_core::Guarantee;

use super::*;
use crate::checker::{Incident, Span};
use crate::ledger::{Effect, EffectId, ResourceUsage};

const SECOND: u64 = 1_000_000;

fn settings(store: Store, guarantee: Guarantee) -> Settings {
    Settings { messages: 100, kills: 1, ..Settings::new(store, guarantee) }
}

fn effect(process: Process, key: u32, began: u64) -> Effect {
    let id = EffectId::new(process, key);
    Effect { id, key, began: Timestamp(began * SECOND), at: Timestamp(began * SECOND + 1) }
}

fn settled(key: u32, effect: Option<EffectId>) -> Settled {
    let outcome = if effect.is_some() { "executed" } else { "replayed" }.to_owned();
    Settled { at: Timestamp(90 * SECOND), key, outcome, effect, confirmed: true }
}

/// Process 1 handled all but the last message, which is poison and parked; process 0 was killed within message 7.
fn evidence(settings: &Settings) -> Evidence<'_> {
    let effects: Vec<_> = (0..99).map(|key| effect(1, key, 20)).collect();
    let settled = effects.iter().map(|it| (1, settled(it.key, Some(it.id)))).collect();
    let killed = IncidentKind::Killed(Timestamp(10 * SECOND));
    let incidents = vec![Incident { process: 0, what: killed }];
    let usage = ResourceUsage { tasks: 10, memory: 1 << 24 };
    let resources = vec![(1, usage, usage)];
    Evidence {
        settings,
        history: History { effects, incidents, resources, ..History::default() },
        began: vec![(0, 7, Timestamp(9 * SECOND))],
        settled,
        published: vec![1; 100],
        parked: vec![Parked { key: 99, reason: "permanent".to_owned() }],
        left: 0,
        restarts: 1,
        took: Duration::from_secs(3),
    }
}

/// What the judge says of a run at least once with something changed.
fn judged(change: impl FnOnce(&mut Evidence<'_>)) -> Vec<String> {
    judged_of(Store::Redis, Guarantee::AtLeastOnce, change)
}

fn judged_of(
    store: Store,
    guarantee: Guarantee,
    change: impl FnOnce(&mut Evidence<'_>),
) -> Vec<String> {
    let settings = settings(store, guarantee);
    let mut evidence = evidence(&settings);
    change(&mut evidence);
    verdict(&evidence).faults.iter().map(ToString::to_string).collect()
}

const STRICT: [(Store, Guarantee); 2] =
    [(Store::Inbox, Guarantee::AtLeastOnce), (Store::Redis, Guarantee::AtMostOnce)];

#[test]
fn a_run_that_kept_its_promises_has_no_faults() {
    assert_eq!(judged(|_| ()), [""; 0]);
    for (store, guarantee) in STRICT {
        assert_eq!(judged_of(store, guarantee, |_| ()), [""; 0]);
    }
}

#[test]
fn a_message_without_an_effect_that_is_not_parked_is_lost() {
    let found = judged(|it| {
        it.history.effects.retain(|effect| effect.key != 7);
        it.settled.retain(|(_, settled)| settled.key != 7);
    });
    assert_eq!(found, ["message 7 has had no effect and is not parked"]);
}

#[test]
fn poison_that_is_not_parked_is_lost_and_must_have_no_effect() {
    let found = judged(|it| it.parked.clear());
    assert_eq!(found, ["message 99 has had no effect and is not parked"]);
    let found = judged(|it| it.history.effects.push(effect(1, 99, 30)));
    assert_eq!(found, ["message 99 is poison and had an effect"]);
}

#[test]
fn what_the_broker_still_has_is_stuck() {
    assert_eq!(judged(|it| it.left = 3), ["the broker has 3 messages left after 30 s"]);
}

#[test]
fn a_second_effect_is_allowed_at_least_once_alone_and_only_where_its_owner_was_killed() {
    let of_a_killed_owner = |it: &mut Evidence<'_>| {
        it.history.effects.push(effect(0, 7, 9));
    };
    assert_eq!(judged(of_a_killed_owner), [""; 0]);
    for (store, guarantee) in STRICT {
        let found = judged_of(store, guarantee, of_a_killed_owner);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("took effect twice"), "{found:?}");
    }
    let found = judged(|it| it.history.effects.push(effect(2, 7, 30)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("unexplained"), "{found:?}");
}

#[test]
fn an_owner_that_was_killed_after_its_result_was_recorded_excuses_nothing() {
    let found = judged(|it| {
        let first = effect(0, 7, 9);
        it.history.effects.push(first);
        it.settled.push((0, settled(7, Some(first.id))));
        // What it was killed within.
        it.began.push((0, 8, Timestamp(9 * SECOND)));
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("unexplained"), "{found:?}");
}

#[test]
fn an_owner_that_was_frozen_in_between_explains_a_second_effect_and_another_one_does_not() {
    let frozen = |process| {
        move |it: &mut Evidence<'_>| {
            let span = Span { from: Timestamp(25 * SECOND), to: Timestamp(28 * SECOND) };
            it.history.incidents.push(Incident { process, what: IncidentKind::Paused(span) });
            it.history.effects.push(effect(2, 7, 30));
        }
    };
    assert_eq!(judged(frozen(1)), [""; 0]);
    assert_eq!(judged(frozen(3)).len(), 1);
}

#[test]
fn what_was_acknowledged_as_executed_must_have_had_its_effect() {
    // Of a transaction that was rolled back, for instance.
    let found = judged_of(Store::Inbox, Guarantee::AtLeastOnce, |it| {
        it.settled.push((1, settled(7, Some(EffectId::new(1, 900)))));
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("which never happened"), "{found:?}");
}

#[test]
fn a_good_message_is_parked_at_most_once_alone_and_only_as_indeterminate() {
    let parked = |reason: &'static str| {
        move |it: &mut Evidence<'_>| {
            it.history.effects.retain(|effect| effect.key != 7);
            it.settled.retain(|(_, settled)| settled.key != 7);
            it.parked.push(Parked { key: 7, reason: reason.to_owned() });
        }
    };
    let at_most_once = |reason| judged_of(Store::Redis, Guarantee::AtMostOnce, parked(reason));
    assert_eq!(at_most_once("indeterminate"), [""; 0]);
    assert_eq!(at_most_once("mismatch"), ["message 7 is parked: mismatch"]);
    assert_eq!(judged(parked("indeterminate")), ["message 7 is parked: indeterminate"]);
}

#[test]
fn a_dead_letter_of_a_message_that_nobody_published_is_a_fault() {
    let found = judged(|it| it.parked.push(Parked { key: 700, reason: "permanent".to_owned() }));
    assert_eq!(found, ["message 700 is parked and was never published"]);
}

#[test]
fn a_worker_that_keeps_tasks_or_does_not_stop_is_a_fault() {
    let found = judged(|it| it.history.resources[0].2.tasks = 100);
    assert_eq!(found, ["worker 1 had 10 tasks before the load, 100 after it"]);
    assert_eq!(judged(|it| it.history.hung.push(2)).len(), 1);
}

#[test]
fn a_run_whose_kills_hit_no_handler_shows_nothing() {
    assert_eq!(judged(|it| it.began.clear()), ["no kill has hit a handler that ran"]);
}
