//! With every rule nothing breaks, and every call comes to an end.

use idempotent_model::recovery::{Body, Config, Phase, Recovery};
use idempotent_model::search::{Search, explore};

use super::search::{LIMIT, holds};

#[test]
fn two_workers_under_three_faults_break_nothing() {
    holds(Config::new(Body::Sound, 3).errors(1));
}

#[test]
fn a_call_that_kills_every_process_is_parked_and_runs_again_when_told() {
    let config = Config::new(Body::Deadly, 1).operators(1);
    holds(config);
    let model = Recovery::new(config);
    let Search::Held(graph) = explore(&model, LIMIT) else { panic!("it breaks") };
    let runs_again = graph.states().any(|state| state.operators == 0 && state.bodies > 0);
    assert!(runs_again && graph.states().any(|state| state.record.phase == Phase::Parked));
}

#[test]
fn a_second_build_that_does_not_know_the_steps_breaks_nothing() {
    holds(Config::new(Body::Sound, 2).errors(1).operators(1).other_build());
}

/// Half a minute and half a gigabyte:
/// `cargo test --release -p idempotent-model --test recovery -- --ignored --nocapture --test-threads 1`.
#[test]
#[ignore = "takes half a minute"]
fn the_full_size_breaks_nothing() {
    holds(Config::new(Body::Sound, 4).errors(1).operators(1));
    holds(Config::new(Body::Deadly, 2).errors(1).operators(2));
    holds(Config::new(Body::Sound, 3).errors(1).operators(1).other_build());
}
