//! Programs in which a recorded step was renamed or removed between two runs.

use idempotent_model::gate::{Change, End, GateRules};

use super::programs::changed;

#[test]
fn every_renamed_step_is_refused_before_a_second_effect() {
    let calls = changed(Change::Renamed, GateRules::ALL);
    println!("{} renamed", calls.len());
    for call in calls {
        assert!(!call.has_second_effect, "{}", call.text);
        assert!(call.end == End::Refused || !call.scope_ended, "{}", call.text);
    }
}

#[test]
fn every_removed_step_is_refused_where_its_scope_would_end_without_it() {
    for call in changed(Change::Removed, GateRules::ALL) {
        assert!(call.end == End::Refused || !call.scope_ended, "{}", call.text);
    }
}

#[test]
fn without_the_end_of_scope_a_removed_step_goes_unnoticed() {
    let rules = GateRules { end_of_scope: false, ..GateRules::ALL };
    let unnoticed =
        changed(Change::Removed, rules).into_iter().filter(|call| call.end == End::Completed);
    let shortest = unnoticed.min_by_key(|call| call.text.len()).expect("one that went unnoticed");
    println!("{}", shortest.text);
}

#[test]
fn checking_only_the_end_of_scope_is_too_late_for_nearly_every_renamed_step() {
    let calls = changed(Change::Renamed, GateRules { gate: false, ..GateRules::ALL });
    let happened = calls.iter().filter(|call| call.has_second_effect).count();
    println!("{happened} of {} renamed steps took effect again", calls.len());
    assert!(happened * 10 > calls.len() * 9);
}
