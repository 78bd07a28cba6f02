//! [`HeldStep`]: what a step holds while it runs. Recording its end consumes it; dropping it also ends the step.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::write::{self, Previous, StepWrite};
use crate::engine::idempotency::Idempotency;
use crate::engine::journal::Poison;
use crate::engine::lease::{CurrentCall, OuterCall as _, StepScope};
use crate::engine::settle::ReservationRef;
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepHead, StepStatus};

/// A step that may run.
pub(crate) struct HeldStep {
    pub(super) engine: Idempotency,
    pub(super) scope: Arc<StepScope>,
    /// What the journal says while it runs, if it is *at most once*.
    pub(super) begun: Option<StepEntry>,
    /// When it was last found that it may run.
    start: Option<Instant>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its body was never polled: nothing happened.
    Unstarted,
    /// It may have had effects, and its result is not recorded.
    Running,
    Ended,
}

impl HeldStep {
    pub(super) fn new(engine: Idempotency, scope: Arc<StepScope>) -> Self {
        Self { engine, scope, begun: None, start: None, phase: Phase::Unstarted }
    }

    /// Marks that the body may have effects from now on.
    pub(crate) fn set_running(&mut self) {
        if self.phase == Phase::Unstarted {
            self.phase = Phase::Running;
            self.scope.journal.started(&self.scope.id);
        }
    }

    pub(super) fn set_start(&mut self, now: Instant) {
        self.start = Some(now);
    }

    /// Ends a step that is refused, so that its body never runs, and returns why.
    pub(super) fn refuse(mut self, error: Error) -> Error {
        self.scope.journal.failed(&self.scope.id);
        self.phase = Phase::Ended;
        error
    }

    /// Marks that the step has ended: with a result, or without.
    pub(super) fn set_ended(&mut self) {
        self.phase = Phase::Ended;
    }

    /// How long its body has run at that moment.
    pub(super) fn took(&self, now: Instant) -> Duration {
        self.start.map_or(Duration::ZERO, |start| now.saturating_duration_since(start))
    }

    /// What the entry of its end at that moment has.
    pub(super) fn head(&self, now: Instant) -> StepHead<'_> {
        if self.begun.is_some() { self.scope.head_by_wall_clock() } else { self.scope.head(now) }
    }

    /// The step, for its body.
    pub(crate) fn current_call(&self) -> CurrentCall {
        CurrentCall::of_step(Arc::clone(&self.scope))
    }

    /// The HTTP status of the last call or step in the body that was refused.
    pub(crate) fn refused_status(&self) -> Option<u16> {
        self.scope.nesting().refused_status()
    }

    /// What a result is encoded with.
    pub(crate) fn reservation(&self) -> ReservationRef<'_> {
        let settings = self.engine.settings();
        ReservationRef {
            id: &self.scope.lease.id,
            record: &self.scope.lease.reservation,
            max_result_bytes: settings.max_result_bytes,
            verify_results: settings.verify_results,
        }
    }
}

impl Drop for HeldStep {
    fn drop(&mut self) {
        let panics = std::thread::panicking();
        match self.phase {
            Phase::Ended => {}
            Phase::Unstarted => {
                self.scope.journal.failed(&self.scope.id);
                // Whoever resumes the call would wait for it in vain, once steps behind it are recorded.
                if self.scope.journal.is_resumed || self.begun.is_some() {
                    self.scope.poison(dropped_early(&self.scope));
                }
                if let Some(begun) = self.begun.take() {
                    take_back(self.engine.clone(), Arc::clone(&self.scope), begun);
                }
            }
            Phase::Running => {
                self.scope.journal.failed(&self.scope.id);
                write::name(&self.engine, &self.scope);
                self.scope.poison(dropped(&self.scope, panics, self.begun.is_some()));
            }
        }
    }
}

fn dropped_early(scope: &StepScope) -> Poison {
    let how = "it was dropped before it started, as by `tokio::time::timeout`, `select!` or `try_join!` around it: put the \
               timeout inside the step, and await every step that was started";
    Poison::new(ErrorKind::OwnerFailed, format!("step `{}`: {how}", scope.label()))
}

fn dropped(scope: &StepScope, panics: bool, in_doubt: bool) -> Poison {
    let kind = if in_doubt { ErrorKind::Indeterminate } else { ErrorKind::OwnerFailed };
    let how = if panics {
        "it panicked"
    } else {
        "it was dropped while it ran, as by `tokio::time::timeout`, `select!` or `try_join!` around it, so nobody knows \
         what it did: put the timeout inside the step, and await every step that was started"
    };
    Poison::new(kind, format!("step `{}`: {how}", scope.label())).in_doubt(in_doubt)
}

/// Says of a step that it has not run after all, in a task. If the store does not learn of it, somebody has to say what
/// the step did.
fn take_back(engine: Idempotency, scope: Arc<StepScope>, begun: StepEntry) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let entry = scope.head_by_wall_clock().entry(StepStatus::Tried, Duration::ZERO, b"");
        let write = StepWrite { entry, replaces: Previous::Entry(begun), begins: false };
        if let Err(error) = write::write(&engine, &scope, write).await {
            tracing::debug!(
                record = %scope.lease.id,
                step = scope.name,
                error = &error as &dyn std::error::Error,
                "a step that never started could not be taken back"
            );
        }
    });
}
