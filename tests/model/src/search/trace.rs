//! [`Trace`]: how a state was reached.

use std::fmt;

use super::Model;

/// The actions that lead to a state, in order.
pub struct Trace<M: Model> {
    first: M::State,
    steps: Vec<Step<M>>,
}

/// One action, and the state that it led to.
pub struct Step<M: Model> {
    /// What happened.
    pub action: M::Action,
    /// What was so after it.
    pub state: M::State,
}

impl<M: Model> Trace<M> {
    /// Finds the actions between states that follow each other.
    pub(super) fn new(model: &M, states: &[M::State]) -> Self {
        let mut next = Vec::new();
        let steps = states.windows(2).filter_map(|pair| {
            next.clear();
            model.next(&pair[0], &mut next);
            let action = next.iter().find(|(_, reached)| *reached == pair[1])?.0;
            Some(Step { action, state: pair[1] })
        });
        Self { steps: steps.collect(), first: states[0] }
    }

    /// What happened, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step<M>] {
        &self.steps
    }

    /// Where it began.
    #[must_use]
    pub fn first(&self) -> &M::State {
        &self.first
    }

    /// How many actions it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl<M: Model> fmt::Display for Trace<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.steps.iter().map(|step| step.action.to_string()).collect();
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        writeln!(f, "     {:width$}   {}", "", self.first)?;
        for (at, (text, step)) in texts.iter().zip(&self.steps).enumerate() {
            writeln!(f, "{:>3}. {text:width$}   {}", at + 1, step.state)?;
        }
        Ok(())
    }
}

impl<M: Model> fmt::Debug for Trace<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M: Model> fmt::Debug for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.action, self.state)
    }
}
