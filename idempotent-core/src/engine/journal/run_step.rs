//! [`RunStep`]: what a run knows of one step.

use crate::model::{StepEntry, StepId, StepStatus};

const RUNS: &str = "is already running in this call: give each use a key of its own, as in `key = line.id`, and two \
                    functions of one name a `name` each";

const SUCCEEDED: &str = "has already succeeded in this call: give each use a key of its own, as in `key = line.id`, and \
                         two functions of one name a `name` each";

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

/// What a step is that the body asks for, and that the run knows.
pub(super) enum Asked {
    /// It has answered in this run, and does so again.
    Again(StepEntry),
    /// It has not yet, and may have a result of an earlier run.
    Anew { was_expected: bool, is_recorded: bool, stored: Option<StepEntry> },
}

impl RunStep {
    /// A step that the journal is not known to have.
    pub(super) const fn arrived(part_of: StepId) -> Self {
        Self { part_of, stored: None, phase: StepPhase::Arrived }
    }

    /// Takes note that the body asks for it. The error says why it may not, behind the step's name.
    pub(super) fn ask(&mut self, is_keyed: bool, is_loaded: bool) -> Result<Asked, &'static str> {
        match (self.phase, &self.stored) {
            (StepPhase::Arrived | StepPhase::Running, _) => Err(RUNS),
            (StepPhase::Succeeded, Some(entry)) if is_keyed => Ok(Asked::Again(entry.clone())),
            (StepPhase::Succeeded, _) => Err(SUCCEEDED),
            (phase @ (StepPhase::Expected | StepPhase::Failed), stored) => {
                let is_recorded = is_loaded && stored.as_ref().is_some_and(has_result);
                let was_expected = phase == StepPhase::Expected;
                let asked = Asked::Anew { was_expected, is_recorded, stored: stored.clone() };
                self.phase = if is_recorded { StepPhase::Succeeded } else { StepPhase::Arrived };
                Ok(asked)
            }
        }
    }
}

/// Whether a step does not run again.
pub(super) fn has_result(entry: &StepEntry) -> bool {
    matches!(entry.status(), StepStatus::Recorded | StepStatus::NotKept(_))
}
