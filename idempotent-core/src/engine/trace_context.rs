//! [`TraceContext`]: how an engine learns of distributed traces, and links replays to the spans that ran.

use std::fmt;
use std::sync::Arc;

use tracing::Span;

use crate::model::TraceParent;

/// Connects an engine with distributed tracing, so that a replay is linked to the span that ran, in whatever process
/// that was. [`IdempotencyBuilder::trace_context`](crate::IdempotencyBuilder::trace_context) sets it.
///
/// The engine knows spans of `tracing` alone; what makes a distributed trace of them is a choice of the service. With
/// `tracing-opentelemetry` both methods are a few lines, as the example `observability` shows.
///
/// Both run in the task of the call, so they must neither block nor panic.
///
/// ```
/// use idempotent_core::engine::TraceContext;
/// use idempotent_core::model::TraceParent;
/// use tracing::Span;
///
/// /// For services that pass on the header of their callers and have no tracer.
/// struct PassedOn;
///
/// impl TraceContext for PassedOn {
///     fn current(&self, _: &Span) -> Option<TraceParent> {
///         incoming_traceparent()?.parse().ok()
///     }
///
///     fn link(&self, _: &Span, executed_in: TraceParent) {
///         tracing::info!(%executed_in, "replayed");
///     }
/// }
/// # fn incoming_traceparent() -> Option<String> { None }
/// ```
pub trait TraceContext: Send + Sync + 'static {
    /// The distributed span of a call that may run, whose `tracing` span this is; the span is the current one, too.
    /// It is kept in the record. `None` if there is none, or if it is not worth keeping, since its trace is not
    /// sampled.
    fn current(&self, call: &Span) -> Option<TraceParent>;

    /// Links the span of a replay, which is the current one, too, to the span in which the call ran; or that of a run that
    /// [resumes](crate::guide::calls_of_several_effects) a call to the run before.
    fn link(&self, replay: &Span, executed_in: TraceParent);
}

/// The trace context of an engine.
#[derive(Clone)]
pub(crate) struct SharedTraceContext(pub(in crate::engine) Arc<dyn TraceContext>);

impl fmt::Debug for SharedTraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceContext")
    }
}
