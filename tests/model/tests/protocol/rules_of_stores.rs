//! Without one of the rules about the store, a property breaks.

use idempotent_model::protocol::{Config, Property, Rule};

use super::search::breaks;

#[test]
fn a_late_owner_without_a_fence_writes_over_its_successor() {
    let config = Config::new(2, 0).without(Rule::Fenced);
    breaks(config, Property::Overwritten, 10);
}

#[test]
fn a_begin_that_arrives_late_leaves_a_step_in_doubt_that_nobody_starts() {
    let config = Config::new(2, 0).without(Rule::BeginsInLease);
    breaks(config, Property::BegunLate, 5);
}

#[test]
fn a_check_of_the_token_before_the_write_lets_a_recorded_step_run_again() {
    let config = Config::new(2, 0).without(Rule::Locked);
    breaks(config, Property::Repeated, 10);
}

#[test]
fn a_journal_that_is_forgotten_while_retries_come_repeats_a_step() {
    let config = Config::new(2, 0).without(Rule::Retention);
    breaks(config, Property::SecondEffect, 12);
}

#[test]
fn an_owner_that_decides_what_a_release_leaves_forgets_a_step() {
    let config = Config::new(3, 0).without(Rule::StoreDecides);
    breaks(config, Property::SecondEffect, 16);
}

#[test]
fn a_journal_without_the_first_token_is_loaded_by_the_next_call() {
    let config = Config::new(3, 0).expiries(1).without(Rule::JournalName);
    breaks(config, Property::OldLoaded, 14);
}

#[test]
fn a_renewal_that_left_before_the_journal_takes_the_journal_away() {
    let config = Config::new(2, 0).without_input().without(Rule::StoredFlag);
    breaks(config, Property::SecondEffect, 12);
}

#[test]
fn an_evicted_journal_that_is_no_error_repeats_a_step() {
    let config = Config::new(2, 1).without(Rule::MissingJournal).without(Rule::NoSecondJournal);
    breaks(config, Property::SecondEffect, 13);
}

#[test]
fn a_write_that_makes_an_evicted_journal_anew_hides_that_a_step_is_missing() {
    let config = Config::new(2, 1).without(Rule::NoSecondJournal);
    breaks(config, Property::SecondEffect, 15);
}

#[test]
fn a_plain_reserve_that_wins_over_a_journal_repeats_a_step() {
    let config = Config::new(2, 0).without(Rule::ReserveSpares);
    breaks(config, Property::SecondEffect, 11);
}

#[test]
fn two_that_resume_without_comparing_both_start_bodies() {
    let config = Config::new(3, 0).without(Rule::ResumeCompares);
    breaks(config, Property::NotOwner, 9);
}
