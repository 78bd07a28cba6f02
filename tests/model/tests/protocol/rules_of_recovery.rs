//! Without one of the rules about recovery and operators, a property breaks or a call is lost.

use idempotent_model::protocol::{Config, Property, Rule};

use super::search::{breaks, loses_a_call};

#[test]
fn resolving_as_never_happened_without_the_recorded_steps_repeats_one() {
    let config = Config::new(2, 0).without(Rule::ResolveKeeps);
    breaks(config, Property::SecondEffect, 15);
}

#[test]
fn a_slow_operator_whose_word_is_not_compared_repeats_a_step() {
    let config = Config::new(3, 0).looks(1).without(Rule::OperatorSees);
    breaks(config, Property::SecondEffect, 24);
}

#[test]
fn a_declined_call_that_is_due_is_charged_behind_its_callers_back() {
    let config = Config::new(2, 0).errors(1).without(Rule::ErrorNotDue);
    breaks(config, Property::BehindTheirBack, 6);
}

#[test]
fn a_declined_call_is_resumed_by_recovery_that_looked_before_the_release() {
    let config = Config::new(2, 0).errors(1).without(Rule::StillDue);
    breaks(config, Property::BehindTheirBack, 7);
}

#[test]
fn a_declined_call_whose_release_is_lost_is_resumed_by_recovery() {
    let config = Config::new(2, 0).errors(1).without(Rule::ErrorAfterRelease);
    breaks(config, Property::BehindTheirBack, 6);
}

#[test]
fn a_late_owner_whose_settled_step_ends_no_wait_leaves_a_call_that_waits_in_vain() {
    let config = Config::new(2, 0).without(Rule::SettleEndsWait);
    breaks(config, Property::WaitsInVain, 8);
}

#[test]
fn a_run_that_ends_in_doubt_after_its_step_was_settled_waits_in_vain() {
    let config = Config::new(2, 0).without(Rule::SuspendLooks);
    breaks(config, Property::WaitsInVain, 12);
}

#[test]
fn a_settled_step_that_ends_every_wait_has_a_parked_call_go_on() {
    let config = Config::new(2, 0).without(Rule::ReasonKept);
    breaks(config, Property::WentOnUntold, 10);
}

#[test]
fn a_due_entry_that_is_a_request_of_its_own_loses_a_call() {
    let config = Config::new(2, 1).without(Rule::DueWithReserve);
    loses_a_call(config, 2);
}
