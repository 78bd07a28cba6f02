//! Without one of the rules about steps, a property breaks.

use idempotent_model::protocol::{Config, Property, Rule};

use super::search::breaks;

#[test]
fn a_step_that_does_not_look_at_the_clock_starts_in_an_overtaken_run() {
    let config = Config::new(2, 0).without(Rule::ClockBeforeStep);
    breaks(config, Property::NotOwner, 6);
}

#[test]
fn a_begun_step_that_does_not_look_at_the_clock_again_starts_in_an_overtaken_run() {
    let config = Config::new(2, 0).without(Rule::ClockAfterBegin);
    breaks(config, Property::NotOwner, 8);
}

#[test]
fn an_at_most_once_step_without_begun_takes_effect_twice() {
    let config = Config::new(2, 0).without(Rule::BegunFirst);
    breaks(config, Property::SecondEffect, 8);
}

#[test]
fn a_late_take_back_without_a_nonce_takes_the_next_attempt_back() {
    let config = Config::new(2, 1).errors(1).without(Rule::Nonce);
    breaks(config, Property::SecondEffect, 17);
}

#[test]
fn a_step_that_does_not_wait_for_its_record_is_missing_when_the_call_answers() {
    let config = Config::new(1, 0).without(Rule::Acknowledged);
    breaks(config, Property::Unrecorded, 7);
}

#[test]
fn a_run_that_goes_on_after_an_error_of_the_store_answers_without_the_step() {
    let config = Config::new(1, 0).without(Rule::Poison);
    breaks(config, Property::Unrecorded, 11);
}

#[test]
fn a_run_that_goes_on_after_a_dropped_step_answers_without_it() {
    let config = Config::new(1, 1).without(Rule::DropPoison);
    breaks(config, Property::Unrecorded, 10);
}

#[test]
fn a_retry_with_another_payload_would_mix_the_two() {
    let config = Config::new(2, 0).other_payload().without(Rule::Fingerprint);
    breaks(config, Property::TwoPayloads, 16);
}
