//! [`UnrecordedRun`]: a body that runs without a record.

use std::fmt;

use tracing::Span;

use crate::engine::idempotency::Idempotency;
use crate::engine::lease::CurrentCall;
use crate::engine::limits::Seat;
use crate::engine::telemetry::{CallReport, Ended};

/// A body that runs without a record, because the store failed and the engine fails open.
pub(crate) struct UnrecordedRun {
    pub(crate) current: CurrentCall,
    pub(crate) engine: Idempotency,
    report: CallReport,
    _seat: Seat,
}

impl UnrecordedRun {
    pub(super) fn new(engine: Idempotency, current: CurrentCall, seat: Seat) -> Self {
        Self { current, engine, report: CallReport::default(), _seat: seat }
    }

    /// Takes over what is reported of the call.
    pub(crate) fn take_over(&mut self, report: &mut CallReport) {
        self.report = report.hand_over(self.current.record_id());
    }

    /// The call's span, if somebody records it.
    pub(crate) fn span(&self) -> Option<Span> {
        self.report.span()
    }

    /// Reports that the body has returned.
    pub(crate) fn returned(&mut self) {
        self.report.ended_unrecorded(Ended::Returned);
    }
}

impl Drop for UnrecordedRun {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        self.report.ended_unrecorded(if panicked { Ended::Panicked } else { Ended::Dropped });
    }
}

impl fmt::Debug for UnrecordedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnrecordedRun").field("current", &self.current).finish_non_exhaustive()
    }
}
