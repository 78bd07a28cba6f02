//! [`Arrival`]: what a step finds when it is asked for.

use crate::model::{StepEntry, Token};

/// What a step finds when it is asked for.
pub(in crate::engine) enum Arrival {
    /// It runs, unless the journal has its result.
    First(FirstArrival),
    /// It has a result: one of this run or, if what earlier runs have written was there, one of theirs.
    Recorded(StepEntry),
}

/// What is known when a step is asked for that has no result in this run.
pub(in crate::engine) struct FirstArrival {
    /// What the journal surely says of it, if that is loaded.
    pub(in crate::engine) stored: Option<StepEntry>,
    /// Whether what earlier runs have written was there by then.
    pub(in crate::engine) is_loaded: bool,
    /// Its number among all such arrivals of its run, from one.
    pub(in crate::engine) nth: u64,
    /// How many steps there are, this one included, and the bytes of their entries.
    pub(in crate::engine) size: (usize, usize),
}

impl FirstArrival {
    /// The attempt that begins with it, in the run with this token. No two are the same: each run has a random token of
    /// its own, and each arrival its number.
    pub(in crate::engine) fn attempt(&self, run: Token) -> Token {
        debug_assert!(self.nth > 0, "arrivals are counted from one");
        run.nth(self.nth)
    }
}
