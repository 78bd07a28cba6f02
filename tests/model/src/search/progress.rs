//! [`Graph::cut_off`]: whether every state still has a way to a good end.

use super::{Graph, Model, Trace};

impl<M: Model> Graph<'_, M> {
    /// A state from which no state that is `good` can be reached by actions that are `fair`: those
    /// that happen by themselves sooner or later, so no faults.
    ///
    /// The edges are not kept, they are computed again. States are looked at from the last one
    /// backwards, so that most find their successors judged already, until nothing changes.
    #[must_use]
    pub fn cut_off(
        &self,
        good: impl Fn(&M::State) -> bool,
        fair: impl Fn(&M::Action) -> bool,
    ) -> Option<Trace<M>> {
        let mut reaches: Vec<bool> = self.states().map(|state| good(&state)).collect();
        let mut next = Vec::new();
        loop {
            let mut changed = false;
            for at in (0..self.states.len()).rev() {
                if reaches[at] {
                    continue;
                }
                next.clear();
                self.model.next(&self.model.unpack(&self.states[at]), &mut next);
                reaches[at] = next.iter().any(|(action, state)| {
                    fair(action) && self.find(state).is_some_and(|to| reaches[to])
                });
                changed |= reaches[at];
            }
            if !changed {
                break;
            }
        }
        reaches.iter().position(|&reaches| !reaches).map(|at| self.trace(at))
    }
}
