//! Connects an engine with OpenTelemetry: this is all of it.

use idempotent_core::engine::TraceContext;
use idempotent_core::model::TraceParent;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Records keep the span that ran their call, and replays are linked to it.
pub(crate) struct OpenTelemetryTraces;

impl TraceContext for OpenTelemetryTraces {
    fn current(&self, call: &Span) -> Option<TraceParent> {
        let context = call.context();
        let span = context.span().span_context().clone();
        // Nobody could follow a link to a trace that is not kept.
        if !span.is_sampled() {
            return None;
        }
        let (trace, span, flags) = (span.trace_id(), span.span_id(), span.trace_flags());
        TraceParent::new(trace.to_bytes(), span.to_bytes(), flags.to_u8()).ok()
    }

    fn link(&self, replay: &Span, executed_in: TraceParent) {
        replay.add_link(SpanContext::new(
            TraceId::from_bytes(*executed_in.trace_id()),
            SpanId::from_bytes(*executed_in.span_id()),
            TraceFlags::new(executed_in.flags()),
            true,
            TraceState::NONE,
        ));
    }
}
