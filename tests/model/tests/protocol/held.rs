//! With every rule nothing breaks, and every call ends or is found by somebody.

use idempotent_model::protocol::{Config, Once, Phase, Protocol};
use idempotent_model::search::{Search, explore};

use super::search::holds;

const LIMIT: usize = 6_000_000;

#[test]
fn the_search_comes_to_every_end() {
    let model = Protocol::new(Config::new(2, 1).errors(1).expiries(1));
    let Search::Held(graph) = explore(&model, LIMIT) else { panic!("it breaks") };
    let reaches = |what: &str, is: &dyn Fn(&idempotent_model::protocol::State) -> bool| {
        assert!(graph.states().any(|state| is(&state)), "{what}");
    };
    reaches("a resumed run completes", &|state| {
        state.record.phase == Phase::Completed && state.record.token == 1 && state.effects.m == 1
    });
    reaches("a step is in doubt, and happened", &|state| {
        state.record.phase == Phase::Indeterminate
            && state.journal.m != Once::Recorded
            && state.effects.m == 1
    });
    reaches("a step is in doubt, and did not happen", &|state| {
        matches!(state.journal.m, Once::Begun(_))
            && state.record.phase == Phase::Indeterminate
            && state.effects.m == 0
    });
    reaches("a caller is told no", &|state| state.record.told_error && !state.record.due);
    reaches("a journal is lost", &|state| state.record.journaled && !state.journal.exists);
    reaches("a key is won again", &|state| {
        state.era == 1 && state.record.phase == Phase::Completed
    });
}

#[test]
fn three_runs_and_a_fault_break_nothing() {
    holds(Config::new(3, 1), LIMIT);
}

#[test]
fn three_runs_of_a_call_that_only_retries_finish_break_nothing() {
    holds(Config::new(3, 1).without_input(), LIMIT);
}

#[test]
fn three_runs_and_a_body_that_fails_break_nothing() {
    holds(Config::new(3, 0).errors(1), LIMIT);
}

#[test]
fn three_runs_and_a_slow_operator_break_nothing() {
    holds(Config::new(3, 0).looks(1), LIMIT);
}

#[test]
fn two_runs_two_faults_a_body_that_fails_an_expiry_and_another_payload_break_nothing() {
    holds(Config::new(2, 2).errors(1).expiries(1).other_payload().looks(1), LIMIT);
}

#[test]
fn three_runs_over_two_calls_of_a_key_break_nothing() {
    holds(Config::new(3, 0).expiries(1).other_payload(), LIMIT);
}

/// Some minutes and two gigabytes:
/// `cargo test --release -p idempotent-model --test protocol -- --ignored --nocapture --test-threads 1`.
#[test]
#[ignore = "takes minutes and two gigabytes of memory"]
fn the_full_size_breaks_nothing() {
    let limit = 45_000_000;
    holds(Config::new(2, 3).errors(2).expiries(1).other_payload().looks(1), limit);
    holds(Config::new(3, 1).errors(1), limit);
}
