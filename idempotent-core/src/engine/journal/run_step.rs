//! [`RunStep`]: what a run knows of one step.

use crate::model::{StepEntry, StepId};

/// What a run knows of one step.
#[derive(Debug)]
pub(super) struct RunStep {
    pub(super) part_of: StepId,
    /// What the journal surely says of it.
    pub(super) stored: Option<StepEntry>,
    pub(super) phase: StepPhase,
}

/// How far a step has come in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepPhase {
    /// The journal knows it, and the body has not asked for it yet.
    Expected,
    /// The body has asked for it, and it has not started: it may wait for others.
    Arrived,
    Running,
    /// It has ended without a result, and may run again.
    Failed,
    /// It has a result.
    Succeeded,
}
