//! Without one of the rules a property breaks, or a call is lost.

use idempotent_model::recovery::{Body, Config, Property, Rule};

use super::search::{breaks, holds, loses_a_call};

fn sound(faults: u8, rule: Rule) -> Config {
    Config::new(Body::Sound, faults).without(rule)
}

#[test]
fn a_claim_that_does_not_compare_takes_a_call_that_runs() {
    breaks(sound(1, Rule::ClaimCompares), Property::ClaimedFromTheLiving, 7);
}

#[test]
fn a_worker_that_does_not_look_at_its_clock_starts_a_body_that_another_runs() {
    breaks(sound(1, Rule::ClockBeforeBody), Property::NotOwner, 10);
}

#[test]
fn attempts_that_count_at_their_end_let_a_call_kill_processes_for_ever() {
    let config = Config::new(Body::Deadly, 0).without(Rule::CountsAtClaim);
    breaks(config, Property::TooOften, 18);
}

#[test]
fn a_call_that_is_never_parked_kills_processes_for_ever() {
    breaks(Config::new(Body::Deadly, 0).without(Rule::Parks), Property::TooOften, 18);
}

#[test]
fn parking_without_the_token_parks_a_call_that_its_client_runs() {
    let config = Config::new(Body::Deadly, 1).errors(1).without(Rule::ParkCompares);
    breaks(config, Property::ParkedUnderTheLiving, 19);
}

#[test]
fn a_parked_call_that_is_due_and_may_be_claimed_runs_without_an_operator() {
    let config = Config::new(Body::Deadly, 0).without(Rule::ParkedNotDue);
    breaks(config.without(Rule::ParkedRefusesClaims), Property::ParkedRan, 20);
}

#[test]
fn a_parked_call_that_is_not_due_or_cannot_be_claimed_waits_for_an_operator() {
    holds(Config::new(Body::Deadly, 1).operators(1).without(Rule::ParkedNotDue));
    holds(Config::new(Body::Deadly, 1).operators(1).without(Rule::ParkedRefusesClaims));
}

#[test]
fn a_call_that_goes_on_slowly_is_parked_when_its_progress_does_not_count() {
    breaks(sound(4, Rule::ProgressCounts), Property::ParkedTooSoon, 16);
}

#[test]
fn an_outage_that_counts_parks_a_call_that_never_failed_by_itself() {
    breaks(sound(4, Rule::OutageNotCounted), Property::ParkedTooSoon, 15);
}

#[test]
fn lost_answers_that_count_park_a_call_that_nobody_ran() {
    breaks(sound(4, Rule::LostAnswerGivenBack), Property::ParkedTooSoon, 13);
}

#[test]
fn a_claim_that_is_done_when_its_sender_has_given_up_counts_as_an_attempt() {
    breaks(Config::new(Body::Sound, 3).forgiving_unanswered(), Property::ParkedTooSoon, 15);
}

#[test]
fn a_build_that_does_not_know_the_steps_parks_the_call_of_another_when_its_refusals_count() {
    let config = sound(1, Rule::RefusalNotCounted).other_build();
    breaks(config, Property::ParkedTooSoon, 13);
}

#[test]
fn a_retry_that_takes_an_attempt_away_has_a_deadly_call_run_too_often() {
    let config = Config::new(Body::Deadly, 1).errors(1).without(Rule::RetryNotCounted);
    breaks(config, Property::TooOften, 19);
}

#[test]
fn a_claim_that_takes_the_call_out_of_the_index_loses_it_with_the_worker() {
    loses_a_call(sound(2, Rule::ClaimStaysDue), 5);
}

#[test]
fn an_interrupted_run_that_is_not_due_again_is_lost() {
    loses_a_call(sound(1, Rule::InterruptedDue), 1);
}

#[test]
fn a_declined_call_that_is_due_is_taken_behind_its_callers_back() {
    let config = sound(0, Rule::ErrorNotDue).errors(1);
    breaks(config, Property::BehindTheirBack, 4);
}

#[test]
fn an_operators_word_that_leaves_the_attempts_parks_the_call_at_once() {
    let config = Config::new(Body::Deadly, 0).operators(1).without(Rule::ResumedAnew);
    breaks(config, Property::ParkedTooSoon, 21);
}
