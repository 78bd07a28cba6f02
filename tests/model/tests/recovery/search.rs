//! Searches that fail a test when they end otherwise than it says.

use idempotent_model::recovery::{Config, Property, Recovery};
use idempotent_model::search::{Search, explore};

/// More than any search here.
pub(crate) const LIMIT: usize = 6_000_000;

/// Searches a model in which nothing may break and no call may be lost, and says how large it is.
pub(crate) fn holds(config: Config) {
    let model = Recovery::new(config);
    let graph = match explore(&model, LIMIT) {
        Search::Held(graph) => graph,
        Search::Violated(property, trace) => panic!("{property}:\n{trace}"),
        Search::TooLarge => panic!("more than {LIMIT} states: {config:?}"),
    };
    let lost =
        graph.cut_off(|state| model.is_at_rest(state), |action| model.happens_by_itself(action));
    if let Some(trace) = lost {
        panic!("nobody goes on with this call:\n{trace}");
    }
    println!("{graph:?}: {config:?}");
}

/// Searches for the shortest way to break a property, which has so many steps, and prints it.
pub(crate) fn breaks(config: Config, property: Property, length: usize) {
    let model = Recovery::new(config);
    let Search::Violated(found, trace) = explore(&model, LIMIT) else {
        panic!("nothing breaks that {property}: {config:?}")
    };
    println!("{found}:\n{trace}");
    assert_eq!((found, trace.len()), (property, length));
}

/// Searches for the shortest way to a call that nobody goes on with, and prints it.
pub(crate) fn loses_a_call(config: Config, length: usize) {
    let model = Recovery::new(config);
    let Search::Held(graph) = explore(&model, LIMIT) else { panic!("something else breaks") };
    let trace =
        graph.cut_off(|state| model.is_at_rest(state), |action| model.happens_by_itself(action));
    let trace = trace.expect("a call that nobody goes on with");
    println!("nobody goes on with this call:\n{trace}");
    assert_eq!(trace.len(), length);
}
