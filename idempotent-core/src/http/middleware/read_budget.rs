//! How many bytes of request bodies are held at once, over all clones of a layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::problem::Problem;

/// The budget of all bodies that are being read, or wait for what their key says.
#[derive(Debug)]
pub(super) struct ReadBudget {
    max_bytes: usize,
    held: AtomicUsize,
}

/// The share of one body. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    budget: Arc<ReadBudget>,
    bytes: usize,
}

/// There is not enough left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BudgetExhausted;

impl From<BudgetExhausted> for Problem {
    fn from(_: BudgetExhausted) -> Self {
        Self::read_budget_exhausted()
    }
}

impl ReadBudget {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, held: AtomicUsize::new(0) }
    }

    /// Nothing yet, for a body that says it has at least so many bytes.
    pub(super) fn hold(self: &Arc<Self>, lower: u64) -> Result<HeldBytes, BudgetExhausted> {
        let left = self.max_bytes.saturating_sub(self.held.load(Ordering::Relaxed));
        match lower <= left as u64 {
            true => Ok(HeldBytes { budget: Arc::clone(self), bytes: 0 }),
            false => Err(BudgetExhausted),
        }
    }
}

impl HeldBytes {
    /// Holds so many bytes in all, or as many as before if there are not enough.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), BudgetExhausted> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let max_bytes = self.budget.max_bytes;
        let with_more = |held: usize| held.checked_add(more).filter(|held| *held <= max_bytes);
        let held = &self.budget.held;
        let grown = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_more);
        self.bytes += grown.map(|_| more).map_err(|_| BudgetExhausted)?;
        Ok(())
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_together_hold_no_more_than_the_budget() {
        let budget = Arc::new(ReadBudget::new(10));
        let (mut one, mut other) = (budget.hold(0).unwrap(), budget.hold(10).unwrap());
        one.grow_to(6).unwrap();
        one.grow_to(4).unwrap();
        assert_eq!(other.grow_to(5), Err(BudgetExhausted));
        other.grow_to(4).unwrap();
        assert_eq!(budget.hold(1).unwrap_err(), BudgetExhausted);
        drop(one);
        other.grow_to(10).unwrap();
        drop(other);
        assert!(budget.hold(10).is_ok());
    }
}
