//! Searches that fail a test when they end otherwise than it says.

use std::time::Instant;

use idempotent_model::protocol::{Action, Config, Kind, Property, Protocol};
use idempotent_model::search::{Search, explore};

/// More than any search that CI does. It keeps what goes wrong within the memory of a small machine.
const LIMIT: usize = 6_000_000;

/// Searches a model in which nothing may break and nobody may be stuck, and says how large it is.
pub(crate) fn holds(config: Config, limit: usize) {
    let model = Protocol::new(config);
    let start = Instant::now();
    let graph = match explore(&model, limit) {
        Search::Held(graph) => graph,
        Search::Violated(property, trace) => panic!("{property}:\n{trace}"),
        Search::TooLarge => panic!("more than {limit} states: {config:?}"),
    };
    let searched = start.elapsed();
    let stuck = graph.cut_off(|state| model.is_at_rest(state), happens_by_itself);
    if let Some(trace) = stuck {
        panic!("nobody finds this call any more:\n{trace}");
    }
    println!("{graph:?}, {searched:.1?} and {:.1?}: {config:?}", start.elapsed() - searched);
}

/// Searches for the shortest way to break a property, which has so many steps, and prints it.
pub(crate) fn breaks(config: Config, property: Property, length: usize) {
    let model = Protocol::new(config.only(property));
    let Search::Violated(found, trace) = explore(&model, LIMIT) else {
        panic!("nothing breaks that {property}: {config:?}")
    };
    println!("{found}:\n{trace}");
    assert_eq!((found, trace.len()), (property, length));
}

/// Searches for the shortest way to a call that nobody finds any more, and prints it.
pub(crate) fn loses_a_call(config: Config, length: usize) {
    let model = Protocol::new(config);
    let Search::Held(graph) = explore(&model, LIMIT) else { panic!("something else breaks") };
    let trace = graph.cut_off(|state| model.is_at_rest(state), happens_by_itself);
    let trace = trace.expect("a call that nobody finds");
    println!("nobody finds this call any more:\n{trace}");
    assert_eq!(trace.len(), length);
}

/// What happens without a fault, a client that comes back, or an operator who looks.
fn happens_by_itself(action: &Action) -> bool {
    let by_hand = matches!(
        action,
        Action::Start(_, Kind::Client | Kind::OtherPayload)
            | Action::ResolveHappened
            | Action::ResolveNever
            | Action::ResolveCall
            | Action::Look
    );
    !by_hand && !action.is_fault()
}
