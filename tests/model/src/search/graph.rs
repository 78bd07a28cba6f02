//! [`explore`]: the search, and the [`Graph`] that it leaves.

use std::fmt;

use super::known::Known;
use super::{Model, Trace};

/// All states that a model reaches, in the order of their distance from the first one.
pub struct Graph<'m, M: Model> {
    pub(super) model: &'m M,
    pub(super) states: Vec<M::Packed>,
    /// The state that each was first reached from. The first state is its own parent.
    parents: Vec<u32>,
    known: Known,
    depth: usize,
    transitions: u64,
}

/// How a search ended.
#[derive(Debug)]
pub enum Search<'m, M: Model> {
    /// Nothing was violated, and these are all the states.
    Held(Graph<'m, M>),
    /// The shortest way to a violation. A shorter one does not exist.
    Violated(M::Violation, Trace<M>),
    /// There are more states than were allowed.
    TooLarge,
}

/// Searches all states of a model, at most `limit` of them.
///
/// # Panics
///
/// If `limit` is more than fits into a `u32`.
#[must_use]
pub fn explore<M: Model>(model: &M, limit: usize) -> Search<'_, M> {
    assert!(u32::try_from(limit).is_ok(), "states are numbered by 32 bits");
    let mut graph = Graph::new(model);
    let mut next = Vec::new();
    let (mut at, mut level_ends) = (0, 1);
    while at < graph.states.len() {
        if at == level_ends {
            graph.depth += 1;
            level_ends = graph.states.len();
        }
        let state = model.unpack(&graph.states[at]);
        model.next(&state, &mut next);
        for (_, reached) in next.drain(..) {
            graph.transitions += 1;
            let packed = model.pack(&reached);
            if !graph.known.insert(&graph.states, &packed) {
                continue;
            }
            graph.states.push(packed);
            graph.parents.push(number(at));
            if let Some(violation) = model.violation(&reached) {
                return Search::Violated(violation, graph.trace(graph.states.len() - 1));
            }
            if graph.states.len() > limit {
                return Search::TooLarge;
            }
        }
        at += 1;
    }
    Search::Held(graph)
}

impl<'m, M: Model> Graph<'m, M> {
    fn new(model: &'m M) -> Self {
        let first = model.pack(&model.initial());
        let mut known = Known::default();
        known.insert(&[], &first);
        Self { model, states: vec![first], parents: vec![0], known, depth: 0, transitions: 0 }
    }

    /// How many states there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there is none. The first one always is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// All states, the first one first.
    pub fn states(&self) -> impl Iterator<Item = M::State> {
        self.states.iter().map(|packed| self.model.unpack(packed))
    }

    /// A state, by its place.
    ///
    /// # Panics
    ///
    /// If there is no such state.
    #[must_use]
    pub fn state(&self, at: usize) -> M::State {
        self.model.unpack(&self.states[at])
    }

    /// How many actions lead to the state that is farthest away.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many actions there are between states, in all.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.transitions
    }

    /// The shortest way to a state, by its place in [`states`](Self::states).
    ///
    /// # Panics
    ///
    /// If there is no such state.
    #[must_use]
    pub fn trace(&self, to: usize) -> Trace<M> {
        let mut path = vec![to];
        let mut at = to;
        while self.parents[at] as usize != at {
            at = self.parents[at] as usize;
            path.push(at);
        }
        path.reverse();
        let states: Vec<M::State> =
            path.into_iter().map(|at| self.model.unpack(&self.states[at])).collect();
        Trace::new(self.model, &states)
    }

    /// The place of a state, if it can be reached.
    #[must_use]
    pub fn find(&self, state: &M::State) -> Option<usize> {
        self.known.find(&self.states, &self.model.pack(state))
    }
}

impl<M: Model> fmt::Debug for Graph<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph")
            .field("states", &self.states.len())
            .field("transitions", &self.transitions)
            .field("depth", &self.depth)
            .finish()
    }
}

/// The search stops before there are more states than that.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
