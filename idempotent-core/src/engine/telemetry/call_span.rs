//! [`CallSpan`]: the span of one call, in which everything of it happens.

use std::future::Future;
use std::time::Duration;

use tracing::instrument::Instrumented;
use tracing::span::Entered;
use tracing::{Instrument, Span, field};

use crate::engine::trace_context::SharedTraceContext;
use crate::model::{Operation, TraceParent};

/// The span of one call. How the call ended, a [`CallReport`](super::CallReport) tells it.
#[derive(Clone)]
pub(crate) struct CallSpan {
    pub(super) span: Span,
    #[cfg(feature = "metrics")]
    pub(super) operation: &'static str,
}

impl CallSpan {
    pub(crate) fn new(operation: &Operation) -> Self {
        let span = tracing::info_span!(
            "idempotent",
            operation = operation.name,
            outcome = field::Empty,
            disposition = field::Empty,
            attempt = 1_u32,
            waited_ms = field::Empty,
            record = field::Empty,
            executed_in = field::Empty,
        );
        Self {
            span,
            #[cfg(feature = "metrics")]
            operation: operation.name,
        }
    }

    /// The span of a step, within that of its call.
    pub(crate) fn of_step(name: &'static str) -> Self {
        let span = tracing::info_span!("step", name, outcome = field::Empty);
        Self {
            span,
            #[cfg(feature = "metrics")]
            operation: name,
        }
    }

    /// Says how a step began: whether it runs, is recorded or is refused.
    pub(crate) fn step_began(&self, outcome: &'static str) {
        self.span.record("outcome", outcome);
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_steps_total", "step" => self.operation, "outcome" => outcome
        )
        .increment(1);
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    pub(crate) fn instrument<F: Future>(&self, future: F) -> Instrumented<F> {
        future.instrument(self.span.clone())
    }

    /// Where the call runs in a distributed trace.
    pub(in crate::engine) fn trace_parent(
        &self,
        SharedTraceContext(traces): &SharedTraceContext,
    ) -> Option<TraceParent> {
        self.span.in_scope(|| traces.current(&self.span))
    }

    /// Links a replay to the span that ran.
    pub(in crate::engine) fn link(
        &self,
        SharedTraceContext(traces): &SharedTraceContext,
        executed_in: TraceParent,
    ) {
        self.span.record("executed_in", field::display(executed_in));
        self.span.in_scope(|| traces.link(&self.span, executed_in));
    }

    pub(in crate::engine) fn is_disabled(&self) -> bool {
        self.span.is_disabled()
    }

    pub(in crate::engine) fn another_attempt(&self, attempts: u32) {
        self.span.record("attempt", attempts);
    }

    pub(in crate::engine) fn waited(&self, waited: Duration) {
        self.span.record("waited_ms", waited.as_millis() as u64);
    }
}
