//! [`cover`]: which paths to take.

use std::collections::HashSet;

use super::path::{Move, Operation, StorePath};
use crate::protocol::{Config, Journal, Protocol, Record, State};
use crate::search::{Graph, Model, Search, explore};

/// An operation, and what it meets at the store.
type Meeting = (Operation, Record, Journal);

/// More states than any model has whose paths are worth their time.
const LIMIT: usize = 1_000_000;

/// The paths of a model of this size in which only clients of the store act.
///
/// # Panics
///
/// If the model breaks, or has more than a million states.
#[must_use]
pub fn paths_of(config: Config) -> Vec<StorePath> {
    let model = Protocol::new(config.clients_only());
    match explore(&model, LIMIT) {
        Search::Held(graph) => cover(&model, &graph),
        Search::Violated(property, trace) => panic!("{property}:\n{trace}"),
        Search::TooLarge => panic!("more than {LIMIT} states: {config:?}"),
    }
}

/// Picks paths that together do every operation in every state of record and journal in which it can
/// come, from all that a search has reached. Those that are farthest away come first, since they pass
/// by most of the others.
#[must_use]
pub fn cover(model: &Protocol, graph: &Graph<'_, Protocol>) -> Vec<StorePath> {
    let mut met: HashSet<Meeting> = HashSet::new();
    let mut paths = Vec::new();
    let mut next = Vec::new();
    for at in (0..graph.len()).rev() {
        let state = graph.state(at);
        next.clear();
        model.next(&state, &mut next);
        for &(action, reached) in &next {
            let Some(operation) = Operation::of(action, &state) else { continue };
            if met.contains(&meeting(operation, &state)) {
                continue;
            }
            let trace = graph.trace(at);
            let mut before = *trace.first();
            let mut moves = Vec::new();
            let steps = trace.steps().iter().map(|step| (step.action, step.state));
            for (action, after) in steps.chain([(action, reached)]) {
                if let Some(operation) = Operation::of(action, &before) {
                    met.insert(meeting(operation, &before));
                    let answer = operation.answer(model, &before);
                    moves.push(Move {
                        operation,
                        answer,
                        record: after.record,
                        journal: after.journal,
                    });
                }
                before = after;
            }
            paths.push(StorePath { moves });
        }
    }
    paths
}

fn meeting(operation: Operation, state: &State) -> Meeting {
    (operation, state.record, state.journal)
}
